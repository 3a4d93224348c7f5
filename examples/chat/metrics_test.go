package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// TestMetrics: metrics are served where the flag says, and nowhere else.
func TestMetrics(t *testing.T) {
	records := new(journal)
	base, stop := start(t, config{token: time.Minute, metrics: "127.0.0.1:0"}, records)
	defer stop()
	url := regexp.MustCompile(`msg=metrics url=(\S+)`).FindStringSubmatch(records.String())
	if url == nil {
		t.Fatalf("the log does not say where:\n%s", records)
	}
	get := func(url string) (int, string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	status, body := get(url[1])
	if status != http.StatusOK || !strings.Contains(body, "sioware_connections_in_flight") || !strings.Contains(body, "go_goroutines") {
		t.Errorf("got %d, %s", status, body)
	}
	for _, url := range []string{base + "/metrics", strings.TrimSuffix(url[1], "/metrics") + "/"} {
		if status, _ := get(url); status != http.StatusNotFound {
			t.Errorf("%s: got %d", url, status)
		}
	}
}

// TestCounted: what the chat refuses is counted under its own names.
func TestCounted(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	cleo.EmitAck(t, "message", "hi")
	cleo.EmitAck(t, "message", " ")
	srv.Dial(t, siotest.Dial{Auth: nickname(" ")}).ConnectError(t)
	siotest.Eventually(t, "they are counted", func() bool {
		families, err := srv.metrics.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, f := range families {
			all.WriteString(f.String())
		}
		text := strings.ReplaceAll(all.String(), " ", "")
		return strings.Contains(text, `value:"nickname_missing"`) && strings.Contains(text, `name:"event"value:"message"`)
	})
}
