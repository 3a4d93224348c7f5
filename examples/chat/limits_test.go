package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
)

// tight are limits that tests can reach.
func tight(change func(l *limits)) limits {
	l := roomy()
	change(&l)
	return l
}

// wantRefusal checks a refusal, and returns when to come back.
func wantRefusal(t *testing.T, got any, code, policy string) time.Duration {
	t.Helper()
	data, _ := got.(map[string]any)
	if data["code"] != code || data["policy"] != policy || data["retryable"] != true {
		t.Fatalf("got %v, want %s of %s", got, code, policy)
	}
	ms, _ := data["retryAfterMs"].(float64)
	return time.Duration(ms) * time.Millisecond
}

// send sends a message and returns why it was refused, or nil.
func send(t *testing.T, c *siotest.Client, text string) any {
	t.Helper()
	if args := c.EmitAck(t, "message", text).Args(); len(args) > 0 {
		return args[0]
	}
	return nil
}

// TestMessagesLimited: the usual limit of messages, and what it does not affect.
func TestMessagesLimited(t *testing.T) {
	srv := newLimited(t, quiet, time.Minute, tight(func(l *limits) { l.messages = usual().messages }))
	login := srv.signIn(t, "ada")
	tabs := []*siotest.Client{srv.enter(t, login), srv.enter(t, login)}
	cleo, _ := join(t, srv, "Cleo")

	var why any
	sent := 0
	for ; why == nil && sent < 20; sent++ {
		why = send(t, tabs[sent%2], "hi") // per user, whatever the tab
	}
	wait := wantRefusal(t, why, "rate_limited", "events")
	if sent != 6 || wait <= 0 || wait > time.Second {
		t.Errorf("message %d was refused, for %v", sent, wait)
	}
	wantRefusal(t, tabs[1].EmitAck(t, "announce", "free cake").Args()[0], "rate_limited", "events")
	if why := send(t, cleo, "hi"); why != nil {
		t.Errorf("a guest: got %v", why)
	}
	_, answer := srv.post(t, "/token", login.cookie, nil)
	if got := field(t, tabs[0].EmitAck(t, "auth:refresh", answer["token"]), "ttlMs"); got == nil {
		t.Errorf("auth:refresh: got %v", got)
	}
	<-time.After(wait)
	if why := send(t, tabs[0], "hi"); why != nil {
		t.Errorf("after %v: got %v", wait, why)
	}
	for range sent + 1 { // from both tabs, and nothing that was refused
		cleo.NextEvent(t, "message")
	}
	if why := send(t, cleo, "bye"); why != nil {
		t.Errorf("got %v", why)
	}
	if got := field(t, cleo.NextEvent(t, "message"), "text"); got != "bye" {
		t.Errorf("got %v", got)
	}
}

func TestBytesLimited(t *testing.T) {
	srv := newLimited(t, quiet, time.Minute, tight(func(l *limits) { l.bytes = ratelimit.PerHour(2000) }))
	cleo, _ := join(t, srv, "Cleo")
	text := strings.Repeat("x", maxMessage)
	for range 4 { // the last one exceeds what is left, and is charged in full
		if why := send(t, cleo, text); why != nil {
			t.Errorf("got %v", why)
		}
	}
	wantRefusal(t, send(t, cleo, text), "rate_limited", "bytes")
}

func TestConnectionsLimited(t *testing.T) {
	records := new(journal)
	srv := newLimited(t, newLog(records, config{}), time.Minute,
		tight(func(l *limits) { l.connections = ratelimit.PerHour(3) }))
	first, err := srv.Open(t, siotest.Dial{})
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Handshake.Header.Get("RateLimit-Policy"); got != `"connect";q=3;w=3600` {
		t.Errorf("RateLimit-Policy: got %q", got)
	}
	for range 2 {
		if _, err := srv.Open(t, siotest.Dial{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = srv.Open(t, siotest.Dial{})
	var refused *siotest.RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests || !strings.Contains(refused.Body, `"policy":"connect"`) {
		t.Errorf("one handshake more: got %v", err)
	}
	siotest.Eventually(t, "it is in the log", func() bool { return strings.Contains(records.String(), "status=429") })
	// A foreign page gets nowhere, and uses up nothing.
	_, err = srv.Open(t, siotest.Dial{Header: http.Header{"Origin": {"https://evil.example"}}})
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("foreign origin: got %v", err)
	}

	// The first one was charged for its handshake. Refused or not, each is an attempt.
	for _, name := range []string{"Cleo", "Dan", " ", "Eve"} {
		first.Connect("", nickname(name))
		if name == " " {
			first.ConnectError(t)
			continue
		}
		first.Connected(t)
		first.Leave(t, "")
	}
	first.Connect("", nickname("Cleo"))
	data, _ := first.ConnectError(t).Data.(map[string]any)
	wantRefusal(t, data["data"], "rate_limited", "connect")
}

func TestSocketsLimited(t *testing.T) {
	srv := newLimited(t, quiet, time.Minute, tight(func(l *limits) { l.sockets = 2 }))
	first, _ := join(t, srv, "Cleo")
	join(t, srv, "Dan")
	third := srv.Dial(t, siotest.Dial{Auth: nickname("Eve")})
	data, _ := third.ConnectError(t).Data.(map[string]any)
	wantRefusal(t, data["data"], "too_many_connections", "concurrent")
	first.Close()
	var eve *siotest.Client
	siotest.Eventually(t, "there is room for Eve", func() bool {
		eve = srv.Dial(t, siotest.Dial{Auth: nickname("Eve")})
		return eve.Next(t).Type == siotest.TypeConnect
	})
	eve.NextEvent(t, "welcome") // her name is stored by then, and the directory may be removed
}

func TestLoginsLimited(t *testing.T) {
	srv := newLimited(t, quiet, time.Minute, tight(func(l *limits) { l.logins = ratelimit.Every(time.Hour).Burst(2) }))
	login := srv.signIn(t, "ada")
	guess := map[string]string{"user": "ada", "password": "ladder"}
	if res, answer := srv.post(t, "/login", nil, guess); res.StatusCode != http.StatusForbidden {
		t.Errorf("got %d, %v", res.StatusCode, answer)
	}
	guess["password"] = passwords["ada"]
	res, answer := srv.post(t, "/login", nil, guess)
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || len(res.Cookies()) != 0 {
		t.Errorf("got %d, %v, %v", res.StatusCode, res.Header, res.Cookies())
	}
	wantRefusal(t, answer, "rate_limited", "connect")
	srv.enter(t, login) // connected users stay connected
}

func TestTokensLimited(t *testing.T) {
	srv := newLimited(t, quiet, time.Minute, tight(func(l *limits) { l.tokens = ratelimit.Every(time.Hour).Burst(2) }))
	login := srv.signIn(t, "ada")
	for range 2 {
		srv.enter(t, login)
	}
	res, answer := srv.post(t, "/token", login.cookie, nil)
	if res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("got %d", res.StatusCode)
	}
	wantRefusal(t, answer, "rate_limited", "connect")
}

// TestPenalty: somebody who goes on is kicked, and comes back when the ban is over. It is
// the user that is banned, not the address.
func TestPenalty(t *testing.T) {
	const ban = time.Second
	srv := newLimited(t, quiet, time.Minute, tight(func(l *limits) {
		l.messages = ratelimit.PerSecond(2).Burst(2)
		l.penalty = ratelimit.Penalty{After: ratelimit.PerHour(2), Ban: ban}
	}))
	cleo, _ := join(t, srv, "Cleo")
	login := srv.signIn(t, "ada")
	ada := srv.enter(t, login)
	announced(t, cleo, "join", "user:ada") // nobody would be told about those who left earlier
	begin := time.Now()
	for range 10 {
		ada.Emit("message", "hi")
	}
	why := ada.NextEvent(t, "kicked").Args()[0]
	wait := wantRefusal(t, why, "rate_limited", "ban")
	if wait <= 0 || wait > ban {
		t.Errorf("banned for %v", wait)
	}
	announced(t, cleo, "leave", "user:ada")
	_, answer := srv.post(t, "/token", login.cookie, nil)
	auth := map[string]any{"token": answer["token"]}
	data, _ := srv.Dial(t, siotest.Dial{Auth: auth}).ConnectError(t).Data.(map[string]any)
	if time.Since(begin) < ban {
		wantRefusal(t, data["data"], "rate_limited", "ban")
	}
	if why := send(t, cleo, "hi"); why != nil {
		t.Errorf("a guest: got %v", why)
	}
	<-time.After(time.Until(begin.Add(ban + wait)))
	if why := send(t, srv.enter(t, login), "hi"); why != nil {
		t.Errorf("after the ban: got %v", why)
	}
}
