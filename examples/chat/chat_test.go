package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

func nickname(v any) map[string]any { return map[string]any{"nickname": v} }

// join lets a new client in and returns it with its welcome.
func join(t *testing.T, srv *program, name string) (*siotest.Client, siotest.Packet) {
	t.Helper()
	c := srv.Dial(t, siotest.Dial{Auth: nickname(name)})
	c.Connected(t)
	return c, c.NextEvent(t, "welcome")
}

func field(t *testing.T, p siotest.Packet, key string) any {
	t.Helper()
	if len(p.Args()) != 1 {
		t.Fatalf("got %v, want one argument", p)
	}
	m, ok := p.Args()[0].(map[string]any)
	if !ok {
		t.Fatalf("got %v, want an object", p)
	}
	return m[key]
}

func TestConversation(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	bob, welcome := join(t, srv, "  Bob   B. ")
	if got := fmt.Sprint(field(t, welcome, "nickname"), field(t, welcome, "people")); got != "Bob B.[Bob B. Cleo]" {
		t.Errorf("welcome: got %s", got)
	}
	if got := field(t, cleo.NextEvent(t, "joined"), "nickname"); got != "Bob B." {
		t.Errorf("joined: got %v", got)
	}

	if answer := cleo.EmitAck(t, "message", " <b>hi</b> "); len(answer.Args()) != 0 {
		t.Errorf("got %v, want an empty acknowledgement", answer)
	}
	for _, c := range []*siotest.Client{cleo, bob} {
		p := c.NextEvent(t, "message")
		if got := fmt.Sprint(field(t, p, "nickname"), ": ", field(t, p, "text")); got != "Cleo: <b>hi</b>" {
			t.Errorf("message: got %s", got)
		}
	}

	bob.Disconnect("")
	if got := fmt.Sprint(field(t, cleo.NextEvent(t, "left"), "people")); got != "[Cleo]" {
		t.Errorf("left: got %s", got)
	}
	join(t, srv, "bob b.") // the nickname is free again
}

func TestNicknameRefused(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	join(t, srv, "Cleo")
	for _, test := range []struct {
		name string
		auth any
		code string
	}{
		{"no payload", nil, "nickname_missing"},
		{"no string", nickname(1), "nickname_missing"},
		{"spaces", nickname(" \t\n"), "nickname_missing"},
		{"21 characters", nickname(strings.Repeat("ä", 21)), "nickname_too_long"},
		{"invisible", nickname("Cl\u200beo"), "nickname_invalid"},
		{"reserved", nickname("Admin"), "forbidden"},
		{"of a user", nickname(" ADA "), "forbidden"},
		{"taken", nickname("cLEO"), "nickname_taken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := srv.Dial(t, siotest.Dial{Auth: test.auth})
			p := c.ConnectError(t)
			data, _ := p.Data.(map[string]any)
			data, _ = data["data"].(map[string]any)
			if data["code"] != test.code {
				t.Errorf("got %v, want code %s", p, test.code)
			}
			if got, want := data["retryable"], test.code == "nickname_taken"; got != want {
				t.Errorf("retryable: got %v, want %v", got, want)
			}
			c.Connect("", nickname(test.name)) // a second try on the same connection
			c.Connected(t)
			c.Disconnect("")
			c.Close()
		})
	}
	join(t, srv, strings.Repeat("ä", 20))
}

func TestEventRefused(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	for _, test := range []struct {
		name  string
		event string
		args  []any
		code  string
	}{
		{"empty", "message", []any{" "}, "message_empty"},
		{"no string", "message", []any{map[string]any{}}, "message_empty"},
		{"501 characters", "message", []any{strings.Repeat("ü", 501)}, "message_too_long"},
		{"nothing", "message", nil, "forbidden"},
		{"too much", "message", []any{"a", "b"}, "forbidden"},
		{"another event", "kick", []any{"Cleo"}, "forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := field(t, cleo.EmitAck(t, test.event, test.args...), "code"); got != test.code {
				t.Errorf("got %v, want %s", got, test.code)
			}
		})
	}
	if p := cleo.EmitAck(t, "message", strings.Repeat("ü", 500)); len(p.Args()) != 0 {
		t.Errorf("500 characters: got %v", p)
	}
	if got := field(t, cleo.NextEvent(t, "message"), "text"); got != strings.Repeat("ü", 500) {
		t.Errorf("the first message that came through is %v", got)
	}
}

func TestHandshakeMiddlewares(t *testing.T) {
	records := new(journal)
	srv := newServer(t, slog.New(slog.NewTextHandler(records, nil)), time.Minute)
	for _, polling := range []bool{false, true} {
		c, err := srv.Open(t, siotest.Dial{Polling: polling, Header: http.Header{"Origin": {srv.URL}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Request-Id", "Content-Security-Policy", "X-Content-Type-Options"} {
			if len(c.Handshake.Header[name]) != 1 {
				t.Errorf("polling %v: %s: got %q", polling, name, c.Handshake.Header[name])
			}
		}
		_, err = srv.Open(t, siotest.Dial{Polling: polling, Header: http.Header{"Origin": {"https://evil.example"}}})
		var refused *siotest.RefusedError
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || !strings.Contains(refused.Body, `"origin_denied"`) {
			t.Errorf("polling %v, foreign origin: got %v", polling, err)
		}
	}
	for _, want := range []string{"status=101", "status=200", "status=403"} {
		siotest.Eventually(t, want+" in the log", func() bool { return strings.Contains(records.String(), want) })
	}
}

func TestAnnounce(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	for _, args := range [][]any{{"free cake"}, {""}, nil} {
		if got := field(t, cleo.EmitAck(t, "announce", args...), "code"); got != "forbidden" {
			t.Errorf("%q of a guest: got %v, want forbidden", args, got)
		}
	}
	ada := srv.enter(t, srv.signIn(t, "ada"))
	if p := ada.EmitAck(t, "announce", "free cake"); len(p.Args()) != 0 {
		t.Errorf("got %v, want an empty acknowledgement", p)
	}
	p := cleo.NextEvent(t, "announce")
	if got := fmt.Sprint(field(t, p, "nickname"), ": ", field(t, p, "text")); got != "ada: free cake" {
		t.Errorf("got %s", got)
	}
}

func TestTwoTabs(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	login := srv.signIn(t, "ada")
	tabs := []*siotest.Client{srv.enter(t, login), srv.enter(t, login)}
	if got := fmt.Sprint(field(t, cleo.NextEvent(t, "joined"), "people")); got != "[Cleo ada]" {
		t.Errorf("joined: got %s", got)
	}
	tabs[0].Disconnect("")
	tabs[0].Close()
	if p := tabs[1].EmitAck(t, "message", "still here"); len(p.Args()) != 0 {
		t.Errorf("got %v, want an empty acknowledgement", p)
	}
	// Neither was the second tab told of, nor the end of the first one.
	if p := cleo.Next(t); p.Event() != "message" {
		t.Errorf("got %v, want the message", p)
	}
	tabs[1].Disconnect("")
	if got := fmt.Sprint(field(t, cleo.Next(t), "people")); got != "[Cleo]" {
		t.Errorf("left: got %s", got)
	}
}
