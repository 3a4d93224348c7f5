package presence_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/presence"
)

// Devices that come back at the very moment when the grace ends are reported twice or not
// at all, and those who are there in the end are known to be.
func TestMemoryDeadline(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			const users, rounds = 10, 20
			m := presence.NewMemoryStore()
			var mu sync.Mutex
			kinds := make(map[string][]presence.Kind)
			m.Watch(func(e presence.Event) {
				mu.Lock()
				defer mu.Unlock()
				kinds[e.Change.User] = append(kinds[e.Change.User], e.Change.Kind)
			})
			var wg sync.WaitGroup
			for u := range users {
				wg.Go(func() {
					for round := range rounds {
						seat := presence.Seat{User: fmt.Sprint(u), Device: fmt.Sprint(round)}
						if err := m.Join(t.Context(), presence.Entry{Seat: seat, Grace: time.Second}); err != nil {
							t.Error(err)
						}
						if round < rounds-1 {
							memLeave(t, m, seat)
							<-time.After(time.Second + time.Duration(rand.IntN(3)-1))
						}
					}
				})
			}
			wg.Wait()
			<-time.After(time.Hour)
			synctest.Wait()
			for u := range users {
				if r := memGet(t, m, "", fmt.Sprint(u)); len(r.Devices) != 1 {
					t.Errorf("in the end: %+v", r)
				}
				all := kinds[fmt.Sprint(u)]
				for i, kind := range all {
					if want := presence.Online + presence.Kind(i%2); kind != want {
						t.Fatalf("told %v", all)
					}
				}
				if len(all)%2 == 0 {
					t.Errorf("told %v", all)
				}
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A room is empty when all have gone, however many came and went at once, and each of the
// orders holds those who stay.
func TestMemoryStorm(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer stop.Store(true)
	stay := make(map[string]bool)
	for i := range 200 {
		user := fmt.Sprint("stays ", i)
		stay[user] = true
		memJoin(t, m, memSeat("room", user))
	}
	for w := range 4 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				seats := make([]presence.Seat, 1+i*7919%300)
				for j := range seats {
					seats[j] = memSeat("room", fmt.Sprint(w, " ", i, " ", j))
					memJoin(t, m, seats[j])
				}
				memLeave(t, m, seats...)
			}
		})
	}
	for range 20 {
		for what, next := range map[string]func(cursor string) ([]presence.Record, string, error){
			"List": func(cursor string) ([]presence.Record, string, error) { return m.List(t.Context(), "room", cursor, 17) },
			"Scan": func(cursor string) ([]presence.Record, string, error) { return m.Scan(t.Context(), cursor, 17) },
		} {
			times := make(map[string]int)
			for cursor := ""; ; {
				page, then, err := next(cursor)
				if err != nil || len(page) > 17 {
					t.Fatal(len(page), err)
				}
				for _, r := range page {
					times[r.User]++
				}
				if cursor = then; then == "" {
					break
				}
			}
			for user := range stay {
				if times[user] != 1 {
					t.Fatalf("%s: %q is there %d times", what, user, times[user])
				}
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	for user := range stay {
		memLeave(t, m, memSeat("room", user))
	}
	if n, err := m.Count(t.Context(), "room"); n != 0 || err != nil {
		t.Errorf("Count in the end: %d, %v", n, err)
	}
}

// A list ends, though others come between two pages.
func TestMemoryListEnds(t *testing.T) {
	t.Parallel()
	for what, next := range map[string]func(m *presence.MemoryStore, cursor string) ([]presence.Record, string, error){
		"List": func(m *presence.MemoryStore, cursor string) ([]presence.Record, string, error) {
			return m.List(t.Context(), "room", cursor, 1)
		},
		"Scan": func(m *presence.MemoryStore, cursor string) ([]presence.Record, string, error) {
			return m.Scan(t.Context(), cursor, 1)
		},
	} {
		m := newMemory(t)
		for _, user := range memUsers(10) {
			memJoin(t, m, memSeat("room", user))
		}
		pages, got := 0, 0
		for cursor := ""; ; pages++ {
			page, then, err := next(m, cursor)
			if err != nil || pages > 500 {
				t.Fatalf("%s: after %d pages: %v", what, pages, err)
			}
			for _, r := range page {
				if r.User[:5] == "user-" {
					got++
				}
			}
			if cursor = then; then == "" {
				break
			}
			for i := range 50 {
				memJoin(t, m, memSeat("room", fmt.Sprint("newcomer ", pages, " ", i)))
			}
		}
		if got != 10 {
			t.Errorf("%s: %d of 10", what, got)
		}
	}
}
