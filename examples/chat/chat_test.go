package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

func TestConversation(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	bob, welcome := join(t, srv, "  Bob   B. ")
	bobs := fmt.Sprint(field(t, welcome, "user"))
	if got := fmt.Sprint(field(t, welcome, "nickname")); got != "Bob B." {
		t.Errorf("welcome: got %s", got)
	}
	if n := announced(t, cleo, "join", bobs); n != 2 {
		t.Errorf("%d are here", n)
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
	if n := announced(t, cleo, "leave", bobs); n != 1 {
		t.Errorf("%d are here", n)
	}
	siotest.Eventually(t, "the nickname is free again", func() bool {
		c := srv.Dial(t, siotest.Dial{Auth: nickname("bob b.")})
		return c.Next(t).Type == siotest.TypeConnect
	})
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
		{"no letter", "exchange", []any{"Cleo"}, "forbidden"},
		{"for nobody", "exchange", []any{letterTo("", "hi")}, "forbidden"},
		{"for a list", "exchange", []any{letterTo([]any{"user:ada"}, "hi")}, "forbidden"},
		{"a long ID", "exchange", []any{letterTo(strings.Repeat("x", 101), "hi")}, "forbidden"},
		{"an empty letter", "exchange", []any{letterTo("user:ada", " ")}, "message_empty"},
		{"a long letter", "exchange", []any{letterTo("user:ada", strings.Repeat("ü", 501))}, "message_too_long"},
		{"away and how", "away", []any{"very"}, "forbidden"},
		{"typing what", "typing", []any{"hi"}, "forbidden"},
		{"no room", "room", []any{" "}, "room_missing"},
		{"a room that is no string", "room", []any{1}, "room_missing"},
		{"a long room", "room", []any{strings.Repeat("ü", 21)}, "room_too_long"},
		{"an invisible room", "room", []any{"a\u200b"}, "room_invalid"},
		{"a guest elsewhere", "sign-out-others", nil, "forbidden"},
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
	srv := newServer(t, newLog(records, config{debug: true}), time.Minute)
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
	cleo, welcome := join(t, srv, "Cleo")
	announced(t, cleo, "join", field(t, welcome, "user"))
	login := srv.signIn(t, "ada")
	tabs := []*siotest.Client{srv.enter(t, login), srv.enter(t, login)}
	if n := announced(t, cleo, "join", "user:ada"); n != 2 {
		t.Errorf("%d are here", n)
	}
	tabs[0].Disconnect("")
	tabs[0].Close()
	if p := tabs[1].EmitAck(t, "message", "still here"); len(p.Args()) != 0 {
		t.Errorf("got %v, want an empty acknowledgement", p)
	}
	silent(t, cleo, "online") // neither for the second tab nor for the end of the first one
	tabs[1].Disconnect("")
	if n := announced(t, cleo, "leave", "user:ada"); n != 1 {
		t.Errorf("%d are here", n)
	}
}
