package main

import (
	"encoding/json"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// page returns the page as a browser with these cookies gets it.
func (p *program) page(cookies ...*http.Cookie) (string, *http.Response) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w.Body.String(), w.Result()
}

// TestNameRemembered: the page offers guests their previous name.
func TestNameRemembered(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	first, res := srv.page()
	if strings.Contains(first, "&lt;3") || len(res.Cookies()) != 0 {
		t.Errorf("before anybody was here: %v, %s", res.Cookies(), first)
	}
	for name, polling := range map[string]bool{"Cleo <3": false, "Dan <3": true} {
		c := srv.Dial(t, siotest.Dial{Polling: polling, Auth: nickname(name)})
		c.Connected(t)
		made := (&http.Response{Header: c.Handshake.Header}).Cookies()
		if len(made) != 1 || !made[0].HttpOnly || made[0].SameSite != http.SameSiteStrictMode {
			t.Fatalf("polling %v: cookies %v", polling, made)
		}
		siotest.Eventually(t, "the name is on the page", func() bool {
			again, _ := srv.page(made...)
			return strings.Contains(again, `value="`+html.EscapeString(name)+`"`)
		})
		if other, _ := srv.page(); other != first {
			t.Error("somebody else sees it")
		}
	}
}

// TestLog: terminals and machines get the same log, without secrets.
func TestLog(t *testing.T) {
	for _, c := range []config{{}, {json: true}, {debug: true}} {
		records := new(journal)
		log := newLog(records, c)
		log.Debug("details")
		log.Info("hello\nworld", "token", "abc", slog.Group("g", "time", "now"))
		got := records.String()
		if strings.Contains(got, "details") != c.debug || strings.Contains(got, "abc") || !strings.Contains(got, "now") {
			t.Errorf("%+v: %s", c, got)
		}
		var record map[string]any
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &record); (err == nil) != c.json {
			t.Errorf("%+v: %v: %s", c, err, got)
		}
	}
}
