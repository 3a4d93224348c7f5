package presence_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
)

// TestClosed: what a closed Tracker does, and that it hands its users over.
func TestClosed(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: time.Minute})
	p.Broadcast("online")
	l := watch(t, p)
	s := serve(t, p)
	c, so := s.join(t, as("alice"))
	if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	l.await(t, presence.Joined, "alice", 1)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"Join":   func() error { return p.Join(t.Context(), so, "lobby", nil) },
		"Leave":  func() error { return p.Leave(t.Context(), so, "lobby") },
		"Update": func() error { return p.Update(t.Context(), so, "", nil) },
		"Away":   func() error { return p.Away(t.Context(), so, true) },
		"Status": func() error { _, err := p.Status(t.Context(), "alice"); return err },
		"Count":  func() error { _, err := p.Count(t.Context(), ""); return err },
		"Kick":   func() error { _, err := p.Kick(t.Context(), "alice"); return err },
		"Members": func() (last error) {
			for _, last = range p.Members(t.Context(), "") {
			}
			return last
		},
	} {
		if err := f(); !errors.Is(err, presence.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.Watch(func(presence.Change) { t.Error("told by a closed Tracker") })()
	p.Broadcast("more")
	if id, ok := p.From(so); !ok || id.User != "alice" || p.Room("alice") == "" {
		t.Error(id, ok)
	}
	rejected(t, s.Dial(t, as("bob")), "unavailable")
	c.Close()
	for _, room := range []string{"", "lobby"} {
		if n, err := store.Count(t.Context(), room); n != 1 || err != nil {
			t.Errorf("%d in %q, %v: not handed over", n, room, err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	other := newTracker(t, &presence.Options{Store: store, Grace: -1})
	_, so = serve(t, other).join(t, as("alice"))
	if err := other.Join(t.Context(), so, "lobby", nil); err != nil {
		t.Error(err)
	}
	if n := len(l.all()); n != 2 {
		t.Errorf("%+v", l.all())
	}
}

// TestCloseBesideJoins: joins that are under way end, and none of them counts.
func TestCloseBesideJoins(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1})
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	g := newGate(t)
	store.set(func(ctx context.Context, op, _ string, pass func() error) error {
		if op == "join" {
			if err := g.pass(ctx); err != nil {
				return err
			}
		}
		return pass()
	})
	var wg sync.WaitGroup
	for _, room := range []string{"a", "b", "c"} {
		wg.Go(func() { _ = p.Join(t.Context(), so, room, nil) })
	}
	g.await(t)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	g.open()
	wg.Wait()
	for _, room := range []string{"", "a", "b", "c"} {
		siotest.Eventually(t, "nobody is in "+room, func() bool {
			n, err := store.Count(t.Context(), room)
			return n == 0 && err == nil
		})
	}
}

// TestCloseInTime: Close does not wait longer than its context, whoever blocks.
func TestCloseInTime(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"store", "watch"} {
		store := newRogue(t)
		p, err := presence.New(query, &presence.Options{Store: store, Grace: -1, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		g := newGate(t)
		if what == "watch" {
			p.Watch(func(presence.Change) { _ = g.pass(context.Background()) })
		} else {
			store.set(func(ctx context.Context, op, _ string, pass func() error) error {
				if op == "leave" {
					_ = g.pass(ctx)
				}
				return pass()
			})
		}
		serve(t, p).join(t, as("alice"))
		if what == "watch" {
			g.await(t)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
		g.open()
		siotest.Eventually(t, "nobody is there", func() bool {
			n, err := store.Count(t.Context(), "")
			return n == 0 && err == nil
		})
	}
}
