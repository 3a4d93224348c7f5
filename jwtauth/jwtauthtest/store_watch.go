package jwtauthtest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// recorder records what a function given to Watch was told.
type recorder struct {
	mu      sync.Mutex
	changes []jwtauth.Change
	inside  atomic.Int32
	overlap atomic.Bool
}

// watch records what s tells about the user and the IDs of this case, but not the
// zero Change, which may come at any time.
func (k *storeKit) watch(s jwtauth.Store) (r *recorder, stop func()) {
	r = &recorder{}
	stop = s.Watch(func(c jwtauth.Change) {
		if r.inside.Add(1) != 1 {
			r.overlap.Store(true)
		}
		defer r.inside.Add(-1)
		for range 10 {
			runtime.Gosched() // so that calls overlap if they can
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if k.mine(c.Revocation.ID) || k.mine(c.Revocation.Subject) || k.mine(c.Login.Subject) {
			r.changes = append(r.changes, c)
		}
	})
	k.Cleanup(stop)
	return r, stop
}

func (k *storeKit) mine(s string) bool { return len(s) >= len(k.tag) && s[:len(k.tag)] == k.tag }

func (r *recorder) told() []jwtauth.Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changes[:len(r.changes):len(r.changes)]
}

// expect makes one more change, waits until r has been told of it, and compares all
// that r was told with want and that change, which it returns.
func (k *storeKit) expect(r *recorder, want ...jwtauth.Change) []jwtauth.Change {
	k.Helper()
	last := jwtauth.ByID(fmt.Sprint(k.tag, "last ", len(r.told())))
	k.revoke(last)
	want = append(want, jwtauth.Change{Revocation: last})
	k.await(r, want)
	return want
}

// await waits until r has been told what is wanted, in any order: a store may keep
// different users, or revocations, in different places.
func (k *storeKit) await(r *recorder, want []jwtauth.Change) {
	k.Helper()
	last := want[len(want)-1]
	if !k.eventually(func() bool {
		told := r.told()
		return len(told) >= len(want) && slices.ContainsFunc(told, func(c jwtauth.Change) bool { return equal(c, last) })
	}) {
		k.fail("told %d of %d changes: %.500v", len(r.told()), len(want), r.told())
		return
	}
	told := slices.Clone(r.told())
	for _, c := range want {
		i := slices.IndexFunc(told, func(t jwtauth.Change) bool { return equal(t, c) })
		if i < 0 {
			k.fail("not told: %.500v", c)
			continue
		}
		told = slices.Delete(told, i, i+1)
	}
	if len(told) > 0 {
		k.fail("also told: %.500v", told)
	}
	if r.overlap.Load() {
		k.fail("two calls at a time")
	}
	r.mu.Lock()
	r.changes = nil
	r.mu.Unlock()
}

// equal reports whether two changes are the same to the millisecond.
func equal(a, b jwtauth.Change) bool {
	for _, t := range [][2]*time.Time{
		{&a.Revocation.Before, &b.Revocation.Before},
		{&a.Revocation.Until, &b.Revocation.Until},
		{&a.Login.IssuedAt, &b.Login.IssuedAt},
		{&a.Login.ExpiresAt, &b.Login.ExpiresAt},
		{&a.Login.Until, &b.Login.Until},
	} {
		if d := t[0].Sub(*t[1]); d > time.Millisecond || d < -time.Millisecond || t[0].IsZero() != t[1].IsZero() {
			return false
		}
		*t[0], *t[1] = time.Time{}, time.Time{}
	}
	return a == b
}

var watchCases = []storeCase{
	{"WatchRevocations", "for what any node has changed, including this one", func(k *storeKit) {
		a, _ := k.watch(k.a)
		b, _ := k.watch(k.b)
		var want []jwtauth.Change
		for i := range 100 {
			r := jwtauth.ByID(fmt.Sprint(k.tag, i))
			switch i % 3 {
			case 1:
				r = until(jwtauth.BySubject(fmt.Sprint(k.tag, i)), k.now.Add(time.Hour))
			case 2:
				r.Until = k.now.Add(-time.Hour) // has no effect, but the subject may be connected
			}
			want = append(want, jwtauth.Change{Revocation: r})
			k.revoke(r)
		}
		k.await(b, k.expect(a, want...))
	}},
	{"WatchLogins", "a revocation, or that a user's login has been replaced", func(k *storeKit) {
		w, _ := k.watch(k.b)
		first, second := k.login(newest, "a", 0), k.login(newest, "b", time.Second)
		k.verdict(first)
		k.verdict(first)
		k.expect(w) // nothing
		k.verdict(second)
		k.expect(w, jwtauth.Change{Login: second})
		k.verdict(second)
		k.verdict(first)
		k.verdict(k.login(newest, "c", 0))
		k.expect(w)
		third := k.login(newest, "d", 2*time.Second)
		k.verdict(refresh(second, third))
		k.verdict(refresh(second, third))
		k.expect(w)
		l := k.login(oldest, "e", 0)
		l.Issuer = "other"
		k.verdict(l)
		l.Name = "f"
		k.verdict(l)
		k.expect(w)
		k.verdict(k.login(many, "g", time.Hour))
		k.expect(w)
		odd := k.login(newest, "\x00\xff{}\r\n", time.Minute)
		odd.ID, odd.Issuer, odd.Replaces = "\xfe", third.Issuer, "\xfd"
		odd.Subject = third.Subject
		k.verdict(odd)
		k.expect(w, jwtauth.Change{Login: odd})
	}},
	{"WatchStored", "and then tells those who watch", func(k *storeKit) {
		// Whoever asks again because of a change gets the resulting verdict.
		var wrong atomic.Int32
		told := make(chan struct{}, 100)
		stop := k.b.Watch(func(c jwtauth.Change) {
			if !k.mine(c.Revocation.ID) {
				return
			}
			l := k.login(many, "a", 0)
			l.ID = c.Revocation.ID
			if v, err := k.b.Admit(k.Context(), l); err != nil || v != jwtauth.Revoked {
				wrong.Add(1)
			}
			told <- struct{}{}
		})
		defer stop()
		for i := range 20 {
			k.revoke(jwtauth.ByID(fmt.Sprint(k.tag, i)))
		}
		for range 20 {
			select {
			case <-told:
			case <-time.After(patience):
				k.fail("not told")
				return
			}
		}
		if n := wrong.Load(); n > 0 {
			k.fail("%d times told before it was stored", n)
		}
	}},
	{"WatchStop", "until stop is called", func(k *storeKit) {
		first, stop := k.watch(k.a)
		second, _ := k.watch(k.a)
		r := jwtauth.ByID(k.tag + "a")
		k.revoke(r)
		k.expect(second, jwtauth.Change{Revocation: r})
		if !k.eventually(func() bool { return len(first.told()) == 2 }) {
			k.fail("the first of two watchers was told %d changes", len(first.told()))
		}
		stop()
		stop()
		k.revoke(r)
		k.expect(second, jwtauth.Change{Revocation: r})
		if n := len(first.told()); n != 2 {
			k.fail("told after stop")
		}
		third, _ := k.watch(k.a)
		k.revoke(r)
		k.expect(third, jwtauth.Change{Revocation: r})
	}},
	{"WatchStopInside", "until stop is called", func(k *storeKit) {
		var calls atomic.Int32
		var stop func()
		ready := make(chan struct{})
		stop = k.a.Watch(func(jwtauth.Change) {
			<-ready
			calls.Add(1)
			stop()
		})
		defer stop()
		close(ready)
		w, _ := k.watch(k.a)
		first, second := jwtauth.ByID(k.tag+"a"), jwtauth.ByID(k.tag+"b")
		k.revoke(first)
		k.revoke(second)
		k.expect(w, jwtauth.Change{Revocation: first}, jwtauth.Change{Revocation: second})
		if n := calls.Load(); n != 1 {
			k.fail("called %d times", n)
		}
	}},
	{"WatchOneAtATime", "one call at a time", func(k *storeKit) {
		w, _ := k.watch(k.a)
		const n = 200
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := k.node().Revoke(k.Context(), jwtauth.ByID(fmt.Sprint(k.tag, i))); err != nil {
					k.Errorf("Revoke: %v", err)
				}
			})
		}
		wg.Wait()
		if !k.eventually(func() bool { return len(w.told()) == n }) {
			k.fail("told %d of %d changes", len(w.told()), n)
		}
		if w.overlap.Load() {
			k.fail("two calls at a time")
		}
	}},
}
