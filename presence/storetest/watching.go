package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sioware/sioware/presence"
)

const (
	saysWatch   = "Watch has f called with each Event that begins after Watch has returned"
	saysInOrder = "Changes of one user in one room come in order, and so do those of one device of a user."
	saysClosed  = "ErrClosed after Close"
	saysClose   = "Close gives up all seats with the cause [CauseDrained], so that their users stay members for their grace"
	saysEnded   = "those that take a context return by the time it has ended, with its error or one that errors.Is finds to be [ErrUnavailable]"
	saysHeld    = "It is held all the same, until Leave, and is taken as soon as possible."
	saysGiven   = "After an error the seats are given up as soon as possible."
)

var watchCases = []storeCase{
	{"Watchers", saysWatch, func(k *kit) {
		first := k.watch(k.store())
		k.join("r", "u", "a")
		first.expect("r", "u", joined("a"))
		second := k.watchLate(k.store())
		k.join("r", "u", "a", away)
		first.expect("r", "u", joined("a"), updated(presence.CauseUpdated, "a", 1))
		if !k.eventually(func() bool { return len(second.told("r", "u")) == 1 }) {
			k.fail("told: %.500v", second.told("r", "u"))
		}
	}},
	{"WatchStop", saysSerial, func(k *kit) {
		first, second := k.watch(k.store()), k.watch(k.store())
		k.join("r", "u", "a")
		first.expect("r", "u", joined("a"))
		second.expect("r", "u", joined("a"))
		first.stop()
		first.stop()
		k.leave(presence.CauseLeft, true, k.seat("r", "u", "a"))
		second.expect("r", "u", joined("a"), left(presence.CauseLeft))
		k.join("r", "u", "b")
		second.expect("r", "u", joined("a"), left(presence.CauseLeft), joined("b"))
		first.expect("r", "u", joined("a"))
	}},
	{"WatchOrder", saysInOrder, func(k *kit) {
		const users, changes = 8, 40
		w := k.watch(k.store())
		var wg sync.WaitGroup
		for u := range users {
			wg.Go(func() {
				for i := range changes {
					e := k.entry("r", fmt.Sprint(u), fmt.Sprint(u), meta(fmt.Sprint(i)))
					if err := k.joinAt(k.store(), e); err != nil {
						k.Errorf("Join: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		for u := range users {
			user := fmt.Sprint(u)
			if !k.eventually(func() bool { return len(w.told("r", user)) >= changes }) {
				k.fail("told %d of %d changes", len(w.told("r", user)), changes)
				return
			}
			for i, c := range w.told("r", user) {
				if string(c.Device.Meta) != fmt.Sprint(i) {
					k.fail("change %d: %.500v", i, c)
				}
			}
		}
	}},
}

var closeCases = []storeCase{
	{"Close", saysClosed, func(k *kit) {
		k.join("", "u", "a", grace(long))
		k.join("r", "u", "a")
		if err := k.store().Close(k.Context()); err != nil {
			k.fail("Close: %v", err)
		}
		k.is(k.joinAt(k.store(), k.entry("", "u", "b")), presence.ErrClosed)
		k.is(k.joinAt(k.store(), k.entry("", "u", "a")), presence.ErrClosed)
		k.is(k.joinAt(k.store(), k.entry("s", "v", "c")), presence.ErrClosed)
		if err := k.store().Close(k.Context()); err != nil && !errors.Is(err, presence.ErrClosed) {
			k.fail("Close again: %v", err)
		}
	}},
	{"CloseRace", saysClosed, func(k *kit) {
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 8 {
			wg.Go(func() {
				for j := 0; ; j++ {
					err := k.joinAt(k.store(), k.entry("", fmt.Sprint(i), fmt.Sprint(i, "-", j), grace(brief)))
					if errors.Is(err, presence.ErrClosed) {
						return
					}
					if err != nil && !errors.Is(err, presence.ErrUnavailable) || time.Since(start) > k.patience {
						k.fail("Join: %v", err)
						return
					}
				}
			})
		}
		wait(k.Context(), 20*time.Millisecond)
		if err := k.store().Close(k.Context()); err != nil {
			k.fail("Close: %v", err)
		}
		wg.Wait()
	}},
	{"Ended", saysEnded, func(k *kit) {
		canceled, cancel := context.WithCancel(k.Context())
		cancel()
		late, cancel := context.WithTimeout(k.Context(), 0)
		defer cancel()
		for name, ctx := range map[string]context.Context{"canceled": canceled, "late": late} {
			e := k.entry("", name, name)
			k.ended(ctx, "Leave", func() error { return k.store().Leave(ctx, presence.CauseLeft, false, e.Seat) })
			k.ended(ctx, "Evict", func() error { _, err := k.store().Evict(ctx, e.User, presence.CauseKicked, ""); return err })
			k.ended(ctx, "Get", func() error { _, err := k.store().Get(ctx, "", e.User); return err })
			k.ended(ctx, "List", func() error { _, _, err := k.store().List(ctx, "", "", 10); return err })
			k.ended(ctx, "Scan", func() error { _, _, err := k.store().Scan(ctx, "", 10); return err })
			k.ended(ctx, "Count", func() error { _, err := k.store().Count(ctx, ""); return err })
		}
		k.join("", "u", "a")
		k.devices(k.store(), "", "u", "a")
	}},
	{"EndedJoin", saysHeld, func(k *kit) {
		w := k.watch(k.store())
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		e := k.entry("", "u", "a")
		k.mu.Lock()
		k.seats[e.Seat] = k.store()
		k.mu.Unlock()
		k.ended(ctx, "Join", func() error { return k.store().Join(ctx, e) })
		if !k.eventually(func() bool { return len(k.get(k.store(), "", "u").Devices) == 1 }) {
			k.fail("the seat is not taken")
		}
		w.expect("", "u", online("a"))
	}},
	{"EndedLeave", saysGiven, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a")
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		k.ended(ctx, "Leave", func() error { return k.store().Leave(ctx, presence.CauseTimeout, false, k.seat("", "u", "a")) })
		if !k.eventually(func() bool { return k.get(k.store(), "", "u").Version == 0 }) {
			k.fail("the seat is not given up")
		}
		w.expect("", "u", online("a"), offline(presence.CauseTimeout))
	}},
}

// ended checks a call whose context has ended: it fails for that reason, or
// succeeds, if the store needs no time for it.
func (k *kit) ended(ctx context.Context, what string, call func() error) {
	k.Helper()
	c := make(chan error, 1)
	go func() { c <- call() }()
	t := time.NewTimer(min(k.patience, 5*time.Second))
	defer t.Stop()
	select {
	case err := <-c:
		if err != nil && !errors.Is(err, ctx.Err()) && !errors.Is(err, presence.ErrUnavailable) {
			k.fail("%s: %v", what, err)
		}
	case <-t.C:
		k.fail("%s does not return", what)
	}
}
