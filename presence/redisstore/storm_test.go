package redisstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// Calls of all kinds at once, on nodes that heal and lose their subscription all the while:
// in the end Redis has what the nodes hold, and the watchers know it.
func TestStorm(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	opts := own()
	opts.Lease = time.Second
	var nodes []*redisstore.Store
	for range 3 {
		nodes = append(nodes, open(t, server.Client(t), opts))
	}
	c := server.Client(t)
	var mu sync.Mutex
	want := make(map[presence.Seat]bool)
	var wg sync.WaitGroup
	for n, s := range nodes {
		for w := range 8 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(n), uint64(w)))
				for range 300 {
					seat := presence.Seat{
						Room: []string{"", "a", "b"}[random.IntN(3)], User: fmt.Sprint(random.IntN(10)), Device: fmt.Sprint(n, "-", w, "-", random.IntN(3)),
					}
					in := random.IntN(3) > 0
					var err error
					if in {
						err = s.Join(t.Context(), presence.Entry{Seat: seat, Grace: time.Duration(random.IntN(2)) * 50 * time.Millisecond, Away: random.IntN(2) == 0})
					} else {
						err = s.Leave(t.Context(), presence.CauseLeft, random.IntN(2) == 0, seat)
					}
					if err != nil && !errors.Is(err, presence.ErrUnavailable) {
						t.Errorf("%v", err)
					}
					mu.Lock()
					want[seat] = in
					mu.Unlock()
				}
			})
		}
	}
	wg.Go(func() {
		for range 10 {
			<-time.After(20 * time.Millisecond)
			c.ClientKillByFilter(t.Context(), "TYPE", "pubsub")
			<-time.After(20 * time.Millisecond)
			c.FlushAll(t.Context())
		}
	})
	wg.Wait()
	matches := func() bool {
		for seat, in := range want {
			found := false
			for _, d := range record(t, nodes[0], seat.Room, seat.User).Devices {
				found = found || d.ID == seat.Device
			}
			if found != in {
				return false
			}
		}
		return true
	}
	settled := func() bool { return nodes[0].Settled() && nodes[1].Settled() && nodes[2].Settled() }
	siotest.Eventually(t, "Redis has it all", func() bool { return settled() && matches() })
	<-time.After(1500 * time.Millisecond)
	if !matches() {
		t.Error("it has not stayed so")
	}
}
