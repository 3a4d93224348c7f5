package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func (ls *locks) len() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.all)
}

// TestLock: one at a time for each key, and nothing is left of a key without users.
func TestLock(t *testing.T) {
	t.Parallel()
	var ls locks
	var wg sync.WaitGroup
	counts := make([]int, 4) // each guarded by its lock
	for i := range 200 {
		wg.Go(func() {
			key := fmt.Sprint(i % len(counts))
			l, err := ls.acquire(t.Context(), key)
			if err != nil {
				t.Error(err)
				return
			}
			counts[i%len(counts)]++
			ls.release(key, l)
		})
	}
	wg.Wait()
	for i, n := range counts {
		if n != 50 {
			t.Errorf("%d: %d", i, n)
		}
	}
	if n := ls.len(); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestLockStuck: nobody waits for a holder that was given up, until it releases.
func TestLockStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ls locks
		held, err := ls.acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 3)
		for range cap(failed) {
			go func() {
				_, err := ls.acquire(context.Background(), "a")
				failed <- err
			}()
		}
		ctx, cancel := context.WithCancel(t.Context())
		canceled := make(chan error, 1)
		go func() {
			_, err := ls.acquire(ctx, "a")
			canceled <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-canceled; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if len(failed) != 0 {
			t.Error("somebody did not wait")
		}
		ls.giveUp(held, new(atomic.Bool), 0)
		for range cap(failed) {
			if err := <-failed; !errors.Is(err, errStuck) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := ls.acquire(t.Context(), "a"); !errors.Is(err, errStuck) {
			t.Errorf("got %v", err)
		}
		ls.release("a", held)
		if n := ls.len(); n != 0 {
			t.Errorf("%d locks are left", n)
		}
		for range 2 {
			again, err := ls.acquire(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			ls.release("a", again)
		}
	})
}

// TestLockStuckWaiter: somebody who waits when a lock that was given up is released
// gets it, and those behind wait again.
func TestLockStuckWaiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ls locks
		held, _ := ls.acquire(t.Context(), "a")
		ls.giveUp(held, new(atomic.Bool), 0)
		ls.release("a", held)
		second, err := ls.acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			l, err := ls.acquire(context.Background(), "a")
			if err == nil {
				ls.release("a", l)
			}
			got <- err
		}()
		synctest.Wait()
		if len(got) != 0 {
			t.Error("two have the lock")
		}
		ls.release("a", second)
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}
