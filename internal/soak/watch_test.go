//go:build linux

package soak

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// bound is how long it may take until everything is as it was. The host's own limit is
// the 30 seconds for which it keeps a polling session (transports/polling.go:57).
const bound = 2 * time.Minute

// snapshot is the state of a server at one time.
type snapshot struct {
	stats
	goroutines groups
	heap       groups
}

// get asks the server, over a connection of its own.
func get(t *testing.T, child *siotest.Child, path string) []byte {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: bound}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, child.URL+"/control/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("the server does not answer: %v; alive: %t\n%s", err, child.Alive(), child.Stderr())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
	}
	return body
}

func look(t *testing.T, child *siotest.Child) (s snapshot) {
	t.Helper()
	if err := json.Unmarshal(get(t, child, "stats"), &s.stats); err != nil {
		t.Fatal(err)
	}
	s.goroutines = readGoroutines(string(get(t, child, "goroutine")))
	for where := range s.goroutines {
		// Belongs to the request that asks, and may be there or not.
		if strings.HasSuffix(where, "net/http.(*connReader).backgroundRead") {
			if s.goroutines[where]--; s.goroutines[where] == 0 {
				delete(s.goroutines, where)
			}
			break
		}
	}
	return s
}

// leftovers describes what of s is not gone, or exceeds base. If base is nil, it looks
// only at the counts that must be 0: of the host, of presence and in the metrics.
func (s *snapshot) leftovers(base *snapshot, torn int) string {
	var left []string
	for _, c := range []struct {
		what string
		n    int
	}{
		{"clients of the engine", s.Clients},
		{"sockets", s.Sockets},
		{"rooms", s.Rooms},
		{"users online", s.Online},
		{"members of rooms", s.Members},
		{"users and members listed", s.Listed},
		{"users and members by what was told", s.Here},
		{"connections in the metrics", int(s.InFlight)},
		{"opened, but not closed, in the metrics", int(s.Opened - s.Closed)},
	} {
		if c.n != 0 {
			left = append(left, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(left) > 0 {
		left = append(left, fmt.Sprint(s.Stay))
	}
	if base == nil {
		return strings.Join(left, ", ")
	}
	if s.Sessions > 0 {
		left = append(left, fmt.Sprintf("%d sessions", s.Sessions))
	}
	if s.Files-min(torn, s.dead()) > base.Files {
		left = append(left, fmt.Sprintf("%d files, was %d: %q", s.Files, base.Files, s.Open))
	}
	if more := base.goroutines.more(s.goroutines.without(torn), 1); len(more) > 0 {
		left = append(left, "goroutines:\n"+strings.Join(more, "\n"))
	}
	return strings.Join(left, ", ")
}

// ticker is what an aborted upgrade may leave for ever (engine/socket.go:324).
const ticker = "github.com/zishang520/engine.io/v2/utils.SetInterval.func1"

// without returns g without up to n of the tickers that the host forgets.
func (g groups) without(n int) groups {
	rest := make(groups)
	for where, count := range g {
		if strings.HasPrefix(where, ticker) {
			count -= min(n, count)
		}
		if count > 0 {
			rest[where] = count
		}
	}
	return rest
}

// dead counts the sockets that the kernel is done with. The host's tickers hold some of
// those of aborted upgrades.
func (s *snapshot) dead() (n int) {
	for _, file := range s.Open {
		if strings.Contains(file, " socket:") && strings.HasSuffix(file, "]") {
			n++
		}
	}
	return n
}

// settle waits until nothing is left.
func settle(t *testing.T, child *siotest.Child, base *snapshot, torn int, open func() map[string]int) snapshot {
	t.Helper()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for ; ; <-tick.C {
		// The host leaves a WebSocket that its client has ended to the garbage collector
		// (transports/websocket.go:75, transports/transport.go:164): files need a
		// collection.
		s := look(t, child)
		left := s.leftovers(base, torn)
		if left == "" {
			t.Logf("settled after %v", time.Since(began).Round(100*time.Millisecond))
			s.heap = readHeap(string(get(t, child, "heap")))
			return s
		}
		if time.Since(began) > bound {
			t.Fatalf("left after %v: %s; connections of the silent: %v", bound, left, open())
		}
	}
}
