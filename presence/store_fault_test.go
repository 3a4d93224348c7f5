package presence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
)

// TestStoreAway: without the Store sockets are let in, and what is known here is returned,
// marked as such; nobody goes offline, and when the Store is back everything is up to date.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1, Logger: quiet})
	l := watch(t, p)
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	if err := p.Join(t.Context(), so, "lobby", "m"); err != nil {
		t.Fatal(err)
	}
	l.await(t, presence.Joined, "alice", 1)
	siotest.Eventually(t, "the Store was looked at", func() bool { return presence.Settled(p) })
	store.leave()
	bob, there := s.join(t, as("bob"))
	if err := p.Join(t.Context(), there, "lobby", nil); !errors.Is(err, presence.ErrUnavailable) || !there.Rooms().Has("lobby") {
		t.Error(err)
	}
	all, err := p.Status(t.Context(), "alice", "bob", "nobody")
	if err != nil || len(all) != 3 || !all[0].Online || !all[1].Online || all[2].Online || len(all[0].Devices) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, st := range all {
		if !st.Stale {
			t.Errorf("%+v", st)
		}
	}
	for _, room := range []string{"", "lobby"} {
		if n, err := p.Count(t.Context(), room); n != 2 || !errors.Is(err, presence.ErrStale) || !errors.Is(err, presence.ErrUnavailable) {
			t.Errorf("Count: %d, %v", n, err)
		}
		var users []string
		var last error
		for m, err := range p.Members(t.Context(), room) {
			if last = err; err == nil {
				users = append(users, m.User)
			}
		}
		if slices.Sort(users); !slices.Equal(users, []string{"alice", "bob"}) || !errors.Is(last, presence.ErrStale) {
			t.Errorf("Members: %v, %v", users, last)
		}
		for range p.Members(t.Context(), room) {
			break
		}
	}
	if err := p.Leave(t.Context(), so, "lobby"); !errors.Is(err, presence.ErrUnavailable) {
		t.Error(err)
	}
	if n := len(l.of(presence.Offline, "")); n != 0 {
		t.Errorf("%d went offline", n)
	}
	store.comeBack(time.Millisecond)
	l.await(t, presence.Online, "bob", 1)
	l.await(t, presence.Left, "alice", 1)
	l.await(t, presence.Joined, "bob", 1)
	if st := status(t, p, "bob"); st.Stale || !st.Online {
		t.Errorf("%+v", st)
	}
	bob.Close()
	l.await(t, presence.Offline, "bob", 1)
}

// TestStaleDevices: without the Store, those devices of a user are known that are
// still here, in the order in which they came, and none when all have gone.
func TestStaleDevices(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1, Logger: quiet})
	s := serve(t, p)
	var clients []*siotest.Client
	var ids []string
	for range 4 {
		c, so := s.join(t, as("alice"))
		s.join(t, as("bob"))
		id, _ := p.From(so)
		clients, ids = append(clients, c), append(ids, id.Device)
	}
	store.leave()
	for _, i := range []int{1, 1, 0, 0} {
		clients[i].Close()
		clients, ids = slices.Delete(clients, i, i+1), slices.Delete(ids, i, i+1)
		siotest.Eventually(t, "those are known that are here", func() bool {
			var got []string
			for _, d := range status(t, p, "alice").Devices {
				got = append(got, d.ID)
			}
			return slices.Equal(got, ids)
		})
	}
	if st := status(t, p, "bob"); !st.Stale || len(st.Devices) != 4 {
		t.Errorf("%+v", st)
	}
	store.comeBack(time.Millisecond)
}

// TestStoreHangs: a Store that does not answer holds nobody up for longer than
// Options.Timeout, nor for longer than a context.
func TestStoreHangs(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Timeout: short, Logger: quiet, MaxDevices: 9, Policy: presence.OldestWins})
	s := serve(t, p)
	g := newGate(t)
	store.set(func(ctx context.Context, _, _ string, pass func() error) error {
		if err := g.pass(ctx); err != nil {
			return err
		}
		return pass()
	})
	began := time.Now()
	c, so := s.join(t, as("alice"))
	if d := time.Since(began); d > time.Second {
		t.Errorf("let in after %v", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for name, f := range map[string]func() error{
		"Join":   func() error { return p.Join(ctx, so, "lobby", nil) },
		"Update": func() error { return p.Update(ctx, so, "", nil) },
		"Away":   func() error { return p.Away(ctx, so, true) },
		"Status": func() error { _, err := p.Status(ctx, "alice"); return err },
		"Count":  func() error { _, err := p.Count(ctx, ""); return err },
		"Kick":   func() error { _, err := p.Kick(ctx, "bob"); return err },
		"Members": func() (last error) {
			for _, last = range p.Members(ctx, "") {
			}
			return last
		},
	} {
		if err := f(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Kill()
	siotest.Eventually(t, "the Tracker forgets", func() bool {
		devices, users, rooms := presence.Held(p)
		return devices == 0 && users == 0 && rooms == 0
	})
	g.open()
}

// TestGoneWithinJoin: a client that leaves while the Store hangs leaves nobody behind.
func TestGoneWithinJoin(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Timeout: 10 * time.Second, Grace: -1})
	s := serve(t, p)
	for i := range 20 {
		g := newGate(t)
		store.set(func(ctx context.Context, op, room string, pass func() error) error {
			if op == "join" && (room == "lobby" || i%2 == 0) {
				if err := g.pass(ctx); err != nil {
					return err
				}
			}
			return pass()
		})
		d := as("alice")
		d.Polling = i%3 == 0
		c := s.Dial(t, d)
		joined := make(chan error, 1)
		if i%2 == 1 {
			c.Connected(t)
			so := <-s.sockets
			go func() { joined <- p.Join(context.Background(), so, "lobby", nil) }()
		} else {
			joined <- presence.ErrAbsent
		}
		g.await(t)
		c.Close()
		g.open()
		if err := <-joined; !errors.Is(err, presence.ErrAbsent) && err != nil {
			t.Error(err)
		}
		if i%2 == 0 {
			<-s.sockets
		}
		nobody(t, p, "lobby")
	}
}

// TestOddStore: answers that a Store must not give.
func TestOddStore(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Logger: quiet})
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	store.set(func(_ context.Context, op, _ string, _ func() error) error {
		if op == "get" {
			return nil // and no records
		}
		return errRefused
	})
	if st := status(t, p, "alice"); !st.Stale || !st.Online {
		t.Errorf("%+v", st)
	}
	if _, err := p.Count(t.Context(), ""); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if _, err := p.Kick(t.Context(), "alice"); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if err := p.Join(t.Context(), so, "lobby", nil); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	store.set(nil)
}

// TestPages: users are asked for, and members read, in parts.
func TestPages(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store})
	users := make([]string, 2500)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
		if err := store.Join(t.Context(), presence.Entry{Seat: presence.Seat{User: users[i], Device: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	var gets, lists, fail atomic.Int32
	store.set(func(_ context.Context, op, _ string, pass func() error) error {
		switch {
		case op == "get":
			gets.Add(1)
		case op == "list" && lists.Add(1) == fail.Load():
			return presence.ErrUnavailable
		}
		return pass()
	})
	all, err := p.Status(t.Context(), users...)
	if err != nil || len(all) != len(users) || gets.Load() != 3 {
		t.Error(len(all), err, gets.Load())
	}
	for i, st := range all {
		if st.User != users[i] || !st.Online {
			t.Fatalf("%+v", st)
		}
	}
	if n := len(members(t, p, "")); n != len(users) || lists.Load() != 5 {
		t.Errorf("%d members in %d pages", n, lists.Load())
	}
	lists.Store(0)
	for range p.Members(t.Context(), "") {
		break
	}
	if lists.Load() != 1 {
		t.Errorf("%d pages for one member", lists.Load())
	}
	lists.Store(0)
	fail.Store(3)
	n, last := 0, error(nil)
	for _, err := range p.Members(t.Context(), "") {
		if last = err; err == nil {
			n++
		}
	}
	if n != 1000 || !errors.Is(last, presence.ErrStale) {
		t.Error(n, last)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, last = range p.Members(ended, "") {
	}
	if _, err := p.Status(ended, "x"); !errors.Is(err, context.Canceled) || !errors.Is(last, context.Canceled) {
		t.Error(err, last)
	}
}
