package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

const (
	saysConcurrent = "Methods may be called concurrently."
	saysEnded      = "They return soon after ctx has ended, with an error that wraps its error"
	workers        = 32
)

var sharedCases = []storeCase{
	{"ConcurrentBurst", saysTakes, func(k *kit) {
		l := ratelimit.PerHour(1).Burst(50)
		if allowed := k.hammer(l, 1, func(i int) bool { return i < 10 }); allowed != 50 {
			k.fail("%d of %d at once allowed under %v, want 50", allowed, workers*10, l)
		}
		k.refused("afterwards", k.key(""), l, 1, 0)
	}, false},
	{"ConcurrentCost", saysTakes, func(k *kit) {
		l := ratelimit.PerHour(1).Burst(50)
		if allowed := k.hammer(l, 3, func(i int) bool { return i < 10 }); allowed != 16 {
			k.fail("%d times 3 allowed under %v, want 16", allowed, l)
		}
		k.allowed("what is left", k.key(""), l, 2, 0)
	}, false},
	{"ConcurrentRate", saysRate, func(k *kit) {
		l := ratelimit.Every(time.Millisecond).Burst(200)
		start := time.Now()
		var calls atomic.Int64
		allowed := k.hammer(l, 1, func(int) bool {
			calls.Add(1)
			return time.Since(start) < 300*time.Millisecond
		})
		least := min(l.Size(), calls.Load()-workers) // the last call of each worker is not made
		if took := time.Since(start); allowed > most(l, took) || allowed < least {
			k.fail("%d allowed in %v under %v, want %d to %d", allowed, took, l, least, most(l, took))
		}
	}, false},
	{"Concurrent", saysConcurrent, func(k *kit) {
		// All kinds of calls on few keys, where each key allows as many as it should.
		const keys = 7
		l := ratelimit.PerHour(1).Burst(20)
		var allowed [keys]atomic.Int64
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range 4 * keys {
					key := (w + i) % keys
					n := []int64{1, 0, 21, 1, 2}[(w+i)%5]
					v, err := k.store.Take(k.Context(), k.key(fmt.Sprint(key)), l, n)
					if err != nil {
						k.Errorf("Take: %v", err)
						return
					}
					k.sound(v, l, n)
					if v.Allowed {
						allowed[key].Add(n)
					}
					if _, err := k.store.Take(k.Context(), k.key(fmt.Sprint(key)), l, -1); !errors.Is(err, ratelimit.ErrCost) {
						k.fail("Take of -1: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		for key := range allowed {
			for k.take(k.key(fmt.Sprint(key)), l, 1).Allowed && allowed[key].Add(1) <= 20 {
			}
			if got := allowed[key].Load(); got != 20 {
				k.fail("%d allowed under %v, want 20", got, l)
			}
		}
	}, false},
	{"Canceled", saysEnded, func(k *kit) {
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		k.ended(ctx, "a", context.Canceled)
		ctx, cancel = context.WithTimeout(k.Context(), 0)
		defer cancel()
		k.ended(ctx, "b", context.DeadlineExceeded)
		k.allowed("another key afterwards", k.key("c"), ratelimit.PerHour(3), 1, 2)
	}, false},
}

// hammer takes n again and again, in many goroutines, as long as more holds, and
// returns how often that was allowed.
func (k *kit) hammer(l ratelimit.Limit, n int64, more func(i int) bool) int64 {
	k.Helper()
	var allowed atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range workers {
		wg.Go(func() {
			<-begin
			for i := 0; more(i); i++ {
				switch v, err := k.store.Take(k.Context(), k.key(""), l, n); {
				case err != nil:
					k.Errorf("Take: %v", err)
					return
				case v.Allowed:
					allowed.Add(1)
				}
			}
		})
	}
	close(begin)
	wg.Wait()
	return allowed.Load()
}

// ended checks Take with a context that has ended: it fails for that reason, or
// decides, if the store needs no time for it.
func (k *kit) ended(ctx context.Context, name string, want error) {
	k.Helper()
	type answer struct {
		v   ratelimit.Verdict
		err error
	}
	l := ratelimit.PerHour(3)
	c := make(chan answer, 1)
	go func() {
		v, err := k.store.Take(ctx, k.key(name), l, 1)
		c <- answer{v, err}
	}()
	t := time.NewTimer(min(soon, k.patience))
	defer t.Stop()
	select {
	case a := <-c:
		switch {
		case a.err != nil:
			k.is(a.err, want)
		case !a.v.Allowed || a.v.Remaining != 2:
			k.fail("no error, but %+v", a.v)
		}
	case <-t.C:
		k.fail("no answer within %v", soon)
	}
}
