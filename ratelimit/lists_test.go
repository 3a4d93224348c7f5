package ratelimit_test

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
)

// TestUpdateLists: Allow and Deny apply to connected sockets as well.
func TestUpdateLists(t *testing.T) {
	t.Parallel()
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	var told atomic.Pointer[ratelimit.Refusal]
	o := ratelimit.Options{
		Events: ratelimit.PerHour(2), Allow: here, Refused: func(r ratelimit.Refusal) { told.Store(&r) }, Logger: quiet,
	}
	l := newLimiter(t, ratelimit.PerMinute(100), &o)
	update := func(change func()) {
		t.Helper()
		change()
		if err := l.Update(ratelimit.PerMinute(100), &o); err != nil {
			t.Fatal(err)
		}
	}
	s := limited(t, l)
	c, other := s.Dial(t, siotest.Dial{}), s.Dial(t, siotest.Dial{From: "127.0.0.2"})
	c.Connected(t)
	other.Connected(t)
	echo := func(times int) {
		t.Helper()
		for range times {
			if got := say(t, c, "echo"); got != "ok" {
				t.Fatalf("answered %v", got)
			}
		}
	}
	echo(5)
	update(func() { o.Allow = nil })
	echo(2)
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
	update(func() { o.Allow = here })
	echo(5)

	told.Store(nil)
	update(func() { o.Deny, o.DryRun = here, true })
	echo(5)
	if r := told.Load(); r != nil {
		t.Errorf("told of %+v", *r)
	}
	// Also where nothing else is to be decided about events.
	update(func() { o.Events, o.DryRun = ratelimit.Limit{}, false })
	if data, _ := say(t, c, "echo").(object); data["code"] != "forbidden" || data["retryable"] != false {
		t.Errorf("answered %v", data)
	}
	if data, _ := c.NextEvent(t, "kicked").Args()[0].(object); data["code"] != "forbidden" {
		t.Errorf("kicked with %v", data)
	}
	for c.Next(t).Type != siotest.TypeDisconnect {
	}
	if r := told.Load(); r == nil || r.Verdict.Policy != "deny" || r.Event != "echo" || r.Key != "ip:127.0.0.1" || r.Socket == nil {
		t.Errorf("told of %+v", r)
	}
	if got := say(t, other, "echo"); got != "ok" {
		t.Errorf("another address was answered %v", got)
	}
}
