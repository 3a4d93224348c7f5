package presence_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/presence"
)

// A call of f does not hold others up, and what they have done is reported all the same.
func TestMemorySlowWatcher(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	inside, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	told := memTold(m)
	stop := m.Watch(func(presence.Event) {
		once.Do(func() { close(inside); <-release })
	})
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		memJoin(t, m, memSeat("", "slow"))
	}()
	<-inside
	for _, user := range memUsers(3000) {
		memJoin(t, m, memSeat("", user))
	}
	if got := len(told()); got != 1 {
		t.Errorf("%d told meanwhile", got)
	}
	close(release)
	<-done
	if got := len(told()); got != 3001 {
		t.Errorf("%d told", got)
	}
}

// A watcher that panics does not stop the reporting.
func TestMemoryPanic(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	stop := m.Watch(func(presence.Event) { panic("on purpose") })
	func() {
		defer func() { _ = recover() }()
		memJoin(t, m, memSeat("", "u"))
		t.Error("no panic")
	}()
	stop()
	told := memTold(m)
	memJoin(t, m, memSeat("", "v"))
	if got := told(); len(got) != 1 || !strings.Contains(got[0], "v joined") {
		t.Errorf("told %q", got)
	}
	if r := memGet(t, m, "", "u"); r.Version == 0 {
		t.Error("the user is no member")
	}
}

// Watchers that come and go while others change things are called one after the other.
func TestMemoryWatchStorm(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	var inside atomic.Int32
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				stop := m.Watch(func(presence.Event) {
					if inside.Add(1) != 1 {
						t.Error("two calls at a time")
					}
					inside.Add(-1)
				})
				seat := memSeat("", fmt.Sprint(w, " ", i))
				memJoin(t, m, seat)
				memLeave(t, m, seat)
				stop()
			}
		})
	}
	wg.Wait()
}
