package e2e

import (
	"testing"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

// TestLimitFloodIsTold: a client that is kicked in a flood of its own events learns why.
// A packet that is being decoded at that moment may still end the connection, but not
// those that follow, as they nearly always did.
func TestLimitFloodIsTold(t *testing.T) {
	t.Parallel()
	v := variant{4, []string{"websocket"}}
	const clients = 12
	lost := 0
	for range clients {
		l := newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{
			Events: ratelimit.PerHour(2), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(3), Ban: time.Hour},
		})
		c := connect(t, v, serveLimited(t, l, nil), func(sc *scenario) {
			sc.Listen = []string{"kicked"}
			sc.Options["reconnection"] = false
		})
		c.await(t, 1, "connect")
		c.do(t, action{Do: "emit", Event: "search", Times: 10})
		c.await(t, 1, "disconnect")
		if len(c.all("event", named("kicked"))) == 0 {
			lost++
		}
		_ = c.stdin.Close()
	}
	t.Logf("%d of %d were not told", lost, clients)
	if lost > clients/3 {
		t.Errorf("%d of %d were not told", lost, clients)
	}
}
