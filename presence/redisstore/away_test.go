package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
)

// Redis stands still for longer than the lease, with all that it knows: nobody goes.
func TestPaused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
	h := watch(b)
	crowd(t, a, "a", many, 0)
	crowd(t, b, "b", many, 0)
	// Who comes back while Redis is away has not gone either.
	back := entryOf("", "back", "1", 2*brisk.Lease)
	join(t, a, back)
	leave(t, a, back, false)
	server.Pause(t)
	back.Device = "2"
	if err := a.Join(t.Context(), back); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("Join: %v", err)
	}
	<-time.After(3 * brisk.Lease)
	server.Resume(t)
	siotest.Eventually(t, "settled", func() bool { return a.Settled() && b.Settled() && seated(t, b, "", "back") })
	<-time.After(2 * brisk.Lease)
	if present(t, b, "a", many) != many || present(t, b, "b", many) != many {
		t.Error("some have gone")
	}
	if n := h.kind(presence.Offline, "") + h.kind(presence.Left, ""); n != 0 {
		t.Errorf("%d were told to have gone", n)
	}
}

// Redis that is away from the start: calls fail in time, and at once when that is known.
func TestAway(t *testing.T) {
	t.Parallel()
	hangs := redistest.NewProxy(t, "127.0.0.1:1")
	hangs.Hang()
	for _, client := range []*redis.Client{
		redistest.Client(t, "127.0.0.1:1"), redistest.Client(t, hangs.Addr), redistest.Patient(t, hangs.Addr),
	} {
		s := open(t, client, brisk)
		began := time.Now()
		h := watch(s)
		for i := range 100 {
			for _, err := range []error{
				s.Join(t.Context(), entryOf("", fmt.Sprint(i), "1", 0)),
				s.Leave(t.Context(), presence.CauseLeft, true, presence.Seat{User: fmt.Sprint(i), Device: "1"}),
				func() error { _, err := s.Get(t.Context(), "", "u"); return err }(),
				func() error { _, _, err := s.List(t.Context(), "", "", 1); return err }(),
				func() error { _, _, err := s.Scan(t.Context(), "", 1); return err }(),
				func() error { _, err := s.Count(t.Context(), "r"); return err }(),
				func() error { _, err := s.Evict(t.Context(), "u", presence.CauseKicked, ""); return err }(),
			} {
				if !errors.Is(err, presence.ErrUnavailable) {
					t.Fatalf("%v", err)
				}
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if h.kind(presence.Online, "") != 0 {
			t.Error("told")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := s.Join(ctx, entryOf("", "u", "1", 0)); !errors.Is(err, presence.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Join: %v", err)
		}
		cancel()
		if err := s.Join(ctx, entryOf("", "u", "1", 0)); !errors.Is(err, presence.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("Join: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 15*time.Second)
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		cancel()
	}
}
