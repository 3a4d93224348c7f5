package ratelimit_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestNewFaults(t *testing.T) {
	t.Parallel()
	good := ratelimit.PerMinute(1)
	onlyStore := storeFunc(func(context.Context, string, ratelimit.Limit, int64) (ratelimit.Verdict, error) {
		return ratelimit.Verdict{}, nil
	})
	for _, c := range []struct {
		name    string
		connect ratelimit.Limit
		opts    *ratelimit.Options
		want    []string // a line each
	}{
		{"nothing", good, nil, nil},
		{"zero options", good, &ratelimit.Options{}, nil},
		{"unlimited", ratelimit.Unlimited().Burst(3), nil, nil},
		{"no limit", ratelimit.Limit{}, nil, []string{"connect: none"}},
		{"per second", ratelimit.PerSecond(0), nil, []string{"connect: 0 per 1s, burst 0: not positive"}},
		{"per minute", ratelimit.PerMinute(-1), nil, []string{"connect: -1 per 1m0s, burst -1: not positive"}},
		{"every", ratelimit.Every(0), nil, []string{"connect: 1 per 0s, burst 1: not positive"}},
		{"every, negative", ratelimit.Every(-1), nil, []string{"connect: 1 per -1ns, burst 1: not positive"}},
		{"burst", good.Burst(0), nil, []string{"connect: 1 per 1m0s, burst 0: not positive"}},
		{"too fast", ratelimit.PerSecond(1_000_000_001), nil, []string{"more than one per nanosecond"}},
		{"too slow", ratelimit.Every(time.Hour).Burst(10_000), nil, []string{"would take more than 8784h0m0s to fill"}},
		{"far too slow", ratelimit.Every(1 << 62), nil, []string{"longer than 8784h0m0s"}},
		{"all at once", ratelimit.PerSecond(-3), &ratelimit.Options{
			Concurrent: -1,
			Events:     ratelimit.Unlimited(),
			Event:      map[string]ratelimit.Limit{"a": {}, "b": ratelimit.PerSecond(0), "c": good},
			Bytes:      ratelimit.Every(0),
			IPv6Prefix: 129,
			Outage:     7,
			Allow:      []netip.Prefix{{}, netip.MustParsePrefix("192.0.2.0/24"), {}},
			Deny:       []netip.Prefix{netip.MustParsePrefix("::ffff:0.0.0.0/90")},
			Penalty:    ratelimit.Penalty{After: good, Ban: -1, MaxBan: -2},
		}, []string{
			"connect:", "Events: unlimited", "Bytes:", `Event: "a": none`, `Event: "b":`, "Concurrent: -1", "Penalty: Ban: -1ns", "Penalty: MaxBan: -2ns",
			"IPv6Prefix: 129", "Allow[0]", "Allow[2]", "Deny[0]", "Outage: unknown policy 7",
		}},
		{"a cost of nothing", good, &ratelimit.Options{Cost: func(*socket.Socket, *wrap.Event) int64 { return 1 }}, []string{"Cost: set without Events"}},
		{"a ban for nothing", good, &ratelimit.Options{Penalty: ratelimit.Penalty{Ban: time.Second}}, []string{"Penalty: Ban is set without After"}},
		{"an event without a name", good, &ratelimit.Options{Event: map[string]ratelimit.Limit{"": good}}, []string{"Event: empty name"}},
		{"bans without a unit", good, &ratelimit.Options{Penalty: ratelimit.Penalty{After: good, Ban: 5}}, []string{"Penalty: Ban: 5ns is less than 1ms"}},
		{"shrinking bans", good, &ratelimit.Options{Penalty: ratelimit.Penalty{After: good, Ban: time.Minute, MaxBan: time.Second}}, []string{"MaxBan: 1s"}},
		{"endless bans", good, &ratelimit.Options{Penalty: ratelimit.Penalty{After: good, Ban: time.Minute, MaxBan: 31 * 24 * time.Hour}}, []string{"MaxBan: 744h"}},
		{"long bans", good, &ratelimit.Options{Penalty: ratelimit.Penalty{After: good, Ban: 20 * 24 * time.Hour}}, nil},
		{"a header for nothing", good, &ratelimit.Options{ProxyHeader: "X-Real-IP"}, []string{"X-Real-IP"}},
		{"a store without slots", good, &ratelimit.Options{Store: onlyStore, Concurrent: 1}, []string{"Concurrent: the Store is not a SlotStore"}},
		{"the same among others", ratelimit.Limit{}, &ratelimit.Options{
			Store: onlyStore, Concurrent: 1, Outage: -1,
		}, []string{"connect: none", "Concurrent: the Store is not a SlotStore", "Outage: unknown policy -1"}},
		{"a nil store", good, &ratelimit.Options{Store: (*ratelimit.MemoryStore)(nil)}, []string{"Store: a nil *ratelimit.MemoryStore"}},
		{"the same without Concurrent", good, &ratelimit.Options{Store: onlyStore}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := ratelimit.New(c.connect, c.opts)
			if (err == nil) != (c.want == nil) || (l == nil) != (err != nil) {
				t.Fatalf("New: %v, %v", l, err)
			}
			if err == nil {
				return
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "ratelimit: ") {
					t.Errorf("line %q", line)
				}
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(c.want) {
				t.Errorf("%d faults, want %d:\n%v", len(lines), len(c.want), err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not told of:\n%v", want, err)
				}
			}
		})
	}
}

// TestOptionsAreCopied: what is given may be changed afterwards.
func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	o := &ratelimit.Options{
		Event: map[string]ratelimit.Limit{"search": ratelimit.PerHour(1)},
		Deny:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}
	s := limited(t, newLimiter(t, ratelimit.PerHour(1), o))
	o.Event["search"] = ratelimit.PerHour(100)
	o.Deny[0] = netip.MustParsePrefix("127.0.0.0/8")
	c := s.Dial(t, dialFrom("127.0.0.1"))
	c.Connected(t)
	say(t, c, "search")
	checkRefusal(t, say(t, c, "search"), "rate_limited", "event:search")
}

func TestLists(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
		Concurrent: 1, Events: ratelimit.PerHour(1),
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")},
	})
	verdicts := make(chan ratelimit.Verdict, 10)
	s := serve(t, func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("echo", func(args ...any) { args[len(args)-1].(socket.Ack)([]any{"ok"}, nil) })
			v, _ := l.From(s)
			verdicts <- v
		})
	})
	for range 3 {
		c := s.Dial(t, dialFrom("127.0.0.1"))
		c.Connected(t)
		if v := <-verdicts; !v.Allowed || v.Policy != "allow" || v.Limit != 0 {
			t.Errorf("verdict %+v", v)
		}
		for range 3 {
			if got := say(t, c, "echo"); got != "ok" {
				t.Errorf("answered %v", got)
			}
		}
		data, _ := s.Dial(t, dialFrom("127.0.0.2")).ConnectError(t).Data.(object)["data"].(object)
		if data["code"] != "forbidden" || data["retryable"] != false || data["policy"] != nil {
			t.Errorf("refused with %v", data)
		}
	}
}
