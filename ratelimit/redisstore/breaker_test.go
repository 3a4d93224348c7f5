package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/ratelimit/redisstore"
)

var errDown = errors.New("down")

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// pass enters a breaker that lets it.
func pass(t *testing.T, b *redisstore.Breaker) (epoch int) {
	t.Helper()
	epoch, err := b.Enter()
	if err != nil {
		t.Fatalf("Enter: %v", err)
	}
	return epoch
}

func broken(t *testing.T, b *redisstore.Breaker) {
	t.Helper()
	if _, err := b.Enter(); !errors.Is(err, redisstore.ErrBroken) {
		t.Fatalf("Enter: %v, want ErrBroken", err)
	}
}

// trip opens a breaker that is closed.
func trip(t *testing.T, b *redisstore.Breaker) {
	t.Helper()
	for range redisstore.Tolerance {
		b.Leave(pass(t, b), errDown, false)
	}
	broken(t, b)
}

// opens waits until a breaker lets a probe through, and returns how long it took.
func opens(t *testing.T, b *redisstore.Breaker) (epoch int, after time.Duration) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if epoch, err := b.Enter(); err == nil {
			return epoch, time.Since(began)
		}
		if time.Since(began) > time.Minute {
			t.Fatal("no probe")
		}
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := redisstore.NewBreaker(slog.New(slog.NewTextHandler(&log, nil)))
		for range 10 { // not in a row
			for range redisstore.Tolerance - 1 {
				b.Leave(pass(t, b), errDown, false)
			}
			b.Leave(pass(t, b), nil, false)
		}
		trip(t, b)
		for pause := redisstore.MinPause; pause < 4*redisstore.MaxPause; pause *= 2 {
			want := min(pause, redisstore.MaxPause)
			epoch, after := opens(t, b)
			if after < want-want/4 || after > want+want/4+time.Millisecond {
				t.Errorf("a probe after %v, want %v and up to a quarter more or less", after, want)
			}
			broken(t, b) // one probe at a time
			b.Leave(epoch, errDown, false)
			broken(t, b)
		}
		epoch, _ := opens(t, b)
		b.Leave(epoch, nil, false)
		pass(t, b)
		trip(t, b)
		if _, after := opens(t, b); after > 2*redisstore.MinPause {
			t.Errorf("the pauses go on where they were: %v", after)
		}
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d lines for three transitions:\n%s", n, log.String())
		}
	})
}

func TestBreakerLateOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := redisstore.NewBreaker(discard())
		before := pass(t, b)
		trip(t, b)
		b.Leave(before, nil, false)
		broken(t, b)
		probe, _ := opens(t, b)
		b.Leave(before, errDown, false)
		broken(t, b) // the probe is still under way
		b.Leave(probe, nil, false)
		for range 2 * redisstore.Tolerance {
			b.Leave(before, errDown, false)
			b.Leave(probe, errDown, false)
		}
		pass(t, b)
	})
}

// A probe whose caller does not wait for it makes room for another one, and one that
// does not wait says nothing of Redis.
func TestBreakerUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := redisstore.NewBreaker(discard())
		for range 2 * redisstore.Tolerance {
			b.Leave(pass(t, b), context.Canceled, true)
		}
		for range redisstore.Tolerance - 1 {
			b.Leave(pass(t, b), errDown, false)
		}
		b.Leave(pass(t, b), context.Canceled, true)
		b.Leave(pass(t, b), errDown, false)
		broken(t, b)
		probe, _ := opens(t, b)
		b.Leave(probe, context.Canceled, true)
		b.Leave(pass(t, b), errDown, false)
		broken(t, b)
	})
}

// The error that opened the breaker is told, but is not that of those it refuses.
func TestBreakerError(t *testing.T) {
	t.Parallel()
	b := redisstore.NewBreaker(discard())
	for range redisstore.Tolerance {
		b.Leave(pass(t, b), context.DeadlineExceeded, false)
	}
	_, err := b.Enter()
	if !errors.Is(err, redisstore.ErrBroken) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("Enter: %v", err)
	}
}
