package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
)

// letterTo is the payload of a private message from a client.
func letterTo(target, msg any) map[string]any {
	return map[string]any{"target": target, "payload": map[string]any{"msg": msg, "extra": true}, "meta": "mine"}
}

// TestReload: those who come back within the grace period were never away; those who say
// that they leave are gone at once.
func TestReload(t *testing.T) {
	srv := newProgram(t, quiet, config{token: time.Minute, limits: roomy(), grace: time.Minute})
	cleo, _ := join(t, srv, "Cleo")
	login := srv.signIn(t, "ada")
	ada := srv.enter(t, login)
	announced(t, cleo, "join", "user:ada")
	ada.EmitAck(t, "typing")
	looks(t, cleo, "user:ada", "ada typing")
	ada.EmitAck(t, "message", "hi")
	looks(t, cleo, "user:ada", "ada") // everything has been sent by now
	for range 3 {
		ada.Kill()
		srv.devices(t, "user:ada", 0)
		ada = srv.enter(t, login)
	}
	silent(t, cleo, "online", "person")

	if p := ada.EmitAck(t, "leave"); len(p.Args()) != 0 {
		t.Errorf("leave: got %v", p)
	}
	announced(t, cleo, "leave", "user:ada")
	if got := field(t, ada.EmitAck(t, "leave"), "code"); got != "unavailable" {
		t.Errorf("leave again: got %v", got)
	}
}

// TestGuestIDs: a guest is a session and a nickname, and nobody else can take that ID.
func TestGuestIDs(t *testing.T) {
	srv := newProgram(t, quiet, config{token: time.Minute, limits: roomy(), grace: time.Minute})
	first, welcome := join(t, srv, "Cleo")
	cookie := (&http.Response{Header: first.Handshake.Header}).Cookies()[0]
	again := func(name string) any {
		c := srv.Dial(t, siotest.Dial{Auth: nickname(name), Header: http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}})
		c.Connected(t)
		return field(t, c.NextEvent(t, "welcome"), "user")
	}
	cleo := field(t, welcome, "user")
	if got := again("cleo"); got != cleo {
		t.Errorf("another tab: got %v, want %v", got, cleo)
	}
	if got := again("Dan"); got == cleo {
		t.Error("another guest of the same browser has the same ID")
	}
	first.Kill()
	c := srv.Dial(t, siotest.Dial{Auth: nickname("Cleo")}) // of another browser
	data, _ := c.ConnectError(t).Data.(map[string]any)
	data, _ = data["data"].(map[string]any)
	if data["code"] != "nickname_taken" {
		t.Errorf("the nickname of who is in the grace: got %v", data)
	}
}

// TestExchange: a private message reaches all devices of its target, and nobody else.
func TestExchange(t *testing.T) {
	srv := newProgram(t, quiet, config{token: time.Minute, limits: roomy(), grace: time.Minute})
	cleo, welcome := join(t, srv, "Cleo")
	dan, _ := join(t, srv, "Dan")
	login := srv.signIn(t, "ada")
	tabs := []*siotest.Client{srv.enter(t, login), srv.enter(t, login)}
	if got := field(t, cleo.EmitAck(t, "exchange", letterTo("user:ada", " <i>psst</i> ")), "outcome"); got != "delivered" {
		t.Errorf("got %v", got)
	}
	for _, ada := range tabs {
		p := ada.NextEvent(t, "exchange")
		meta, _ := field(t, p, "meta").(map[string]any)
		at, _ := meta["timestamp"].(float64)
		if meta["client"] != field(t, welcome, "user") || meta["target"] != "user:ada" || len(meta) != 3 ||
			time.Since(time.UnixMilli(int64(at))).Abs() > time.Minute {
			t.Errorf("meta: got %v", meta)
		}
		if got := fmt.Sprint(field(t, p, "data")); got != "map[action:exchange payload:map[msg:<i>psst</i>]]" {
			t.Errorf("data: got %s", got)
		}
	}
	silent(t, cleo, "exchange")
	silent(t, dan, "exchange")

	for _, ada := range tabs {
		ada.Kill()
	}
	srv.devices(t, "user:ada", 0) // within her grace period
	for _, target := range []string{"user:ada", "user:bob", "lobby"} {
		if got := field(t, cleo.EmitAck(t, "exchange", letterTo(target, "hi")), "outcome"); got != "offline" {
			t.Errorf("%s: got %v", target, got)
		}
	}
}

// TestMarks: typing ends by itself or with the message, and a user who is away is away
// everywhere.
func TestMarks(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	login := srv.signIn(t, "ada")
	one, two := srv.enter(t, login), srv.enter(t, login)
	looks(t, cleo, "user:ada", "ada")

	one.EmitAck(t, "typing")
	looks(t, cleo, "user:ada", "ada typing")
	one.EmitAck(t, "typing")
	one.EmitAck(t, "message", "hi")
	looks(t, cleo, "user:ada", "ada")
	two.EmitAck(t, "typing")
	looks(t, cleo, "user:ada", "ada typing")
	looks(t, cleo, "user:ada", "ada") // after a while

	one.EmitAck(t, "away", true)
	two.EmitAck(t, "typing")
	looks(t, cleo, "user:ada", "ada typing")
	two.EmitAck(t, "away", true)
	looks(t, cleo, "user:ada", "ada away typing")
	one.EmitAck(t, "away", false)
	looks(t, cleo, "user:ada", "ada typing")
	// Those who come later see it too.
	_, welcome := join(t, srv, "Dan")
	if got := fmt.Sprint(field(t, welcome, "people")); !strings.Contains(got, "nickname:ada") {
		t.Errorf("got %v", got)
	}
}

// TestMarksLimited: marks have a limit of their own, and do not count as messages.
func TestMarksLimited(t *testing.T) {
	srv := newLimited(t, quiet, time.Minute, tight(func(l *limits) {
		l.signals, l.messages = ratelimit.PerHour(3), ratelimit.PerHour(1)
	}))
	cleo, _ := join(t, srv, "Cleo")
	for range 3 {
		if p := cleo.EmitAck(t, "typing"); len(p.Args()) != 0 {
			t.Errorf("got %v", p)
		}
	}
	wantRefusal(t, cleo.EmitAck(t, "typing").Args()[0], "rate_limited", "event:typing")
	if why := send(t, cleo, "hi"); why != nil {
		t.Errorf("got %v", why)
	}
}

// TestDevices: the newest ones win, and one may kick the others.
func TestDevices(t *testing.T) {
	srv := newProgram(t, quiet, config{token: time.Minute, limits: roomy(), grace: time.Minute, devices: 2})
	bob := srv.enter(t, srv.signIn(t, "bob"))
	login := srv.signIn(t, "ada")
	first, second := srv.enter(t, login), srv.enter(t, login)
	third := srv.enter(t, srv.signIn(t, "ada")) // another login counts for the same user
	kicked(t, first, "replaced")

	if got := field(t, third.EmitAck(t, "sign-out-others"), "devices"); got != 1.0 {
		t.Errorf("%v others were put out", got)
	}
	why := second.NextEvent(t, "kicked")
	if field(t, why, "code") != "replaced" || field(t, why, "reason") != "signed out by another of your devices" {
		t.Errorf("kicked: got %v", why)
	}
	srv.devices(t, "user:ada", 1)
	silent(t, third, "kicked")
	silent(t, bob, "kicked")
}
