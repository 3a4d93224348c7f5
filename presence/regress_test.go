package presence_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestJoinAfterGone: a Join that waits for its turn while its socket leaves must not take
// a seat: the user would be a member until the connection ends.
func TestJoinAfterGone(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1})
	s := serve(t, p)
	for i := range 30 {
		c, _, two := s.both(t, "alice")
		g := newGate(t)
		g.holds(store, "join", "first")
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.Join(context.Background(), two, "first", nil) })
		g.await(t)
		for range 4 {
			wg.Go(func() { _ = p.Join(context.Background(), two, "second", nil) })
		}
		c.Leave(t, "/other")
		g.open()
		wg.Wait()
		siotest.Eventually(t, fmt.Sprint("no member without a socket, round ", i), func() bool {
			n, _ := p.Count(t.Context(), "second")
			return n == 0
		})
		store.set(nil)
		c.Close()
		siotest.Eventually(t, fmt.Sprint("offline, round ", i), func() bool { return !status(t, p, "alice").Online })
	}
}

// TestOwnDevice: under OldestWins a connection that joins a second namespace while the
// Store's answer to the first is under way must not be refused because of itself.
func TestOwnDevice(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, MaxDevices: 1, Policy: presence.OldestWins})
	s := serve(t, p)
	g := newGate(t)
	store.set(func(ctx context.Context, op, room string, pass func() error) error {
		err := pass()
		if op == "join" { // it is done, and the answer takes its time
			_ = g.pass(ctx)
		}
		return err
	})
	c := s.Dial(t, as("alice"))
	g.await(t)
	c.Connect("/other", nil)
	for range 2 {
		if p := c.Next(t); p.Type != siotest.TypeConnect {
			t.Errorf("refused: %v", p)
		}
	}
}

// TestFreshAndHidden: a socket that has just joined gets the members, even if what is
// announced at that time is not for it.
func TestFreshAndHidden(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1, Visible: func(_ *socket.Socket, user string) bool {
		return user != "ghost"
	}})
	p.Broadcast("online")
	s := serve(t, p)
	alice, a := s.join(t, as("alice"))
	tab, b := s.join(t, as("alice"))
	_, g := s.join(t, as("ghost"))
	if err := p.Join(t.Context(), a, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	online(t, alice, "join", "alice", 1)
	for _, so := range []*socket.Socket{b, g} {
		if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
			t.Fatal(err)
		}
	}
	over := time.After(3 * short)
	<-over
	tab.NextEvent(t, "online")
}

// TestRefusedJoins: a device that OldestWins has refused must not join rooms in its
// "connection" handler.
func TestRefusedJoins(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, MaxDevices: 1, Policy: presence.OldestWins})
	l := watch(t, p)
	var mu sync.Mutex
	var errs []error
	s := serve(t, p, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			err := p.Join(t.Context(), args[0].(*socket.Socket), "lobby", nil)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	})
	one, so := s.join(t, as("alice"))
	if err := p.Leave(t.Context(), so, "lobby"); err != nil {
		t.Fatal(err)
	}
	l.await(t, presence.Left, "alice", 1)
	store.set(func(_ context.Context, op, _ string, pass func() error) error {
		if op == "get" { // as if both came at once
			return presence.ErrUnavailable
		}
		return pass()
	})
	kicked(t, s.Dial(t, as("alice")), "too_many_connections")
	siotest.Eventually(t, "both have joined", func() bool { mu.Lock(); defer mu.Unlock(); return len(errs) == 2 })
	if !errors.Is(errs[1], presence.ErrAbsent) {
		t.Errorf("Join: %v", errs[1])
	}
	if all := l.of(presence.Joined, "alice"); len(all) != 1 {
		t.Errorf("joined by a device that was refused: %+v", all)
	}
	one.Close()
}

// TestAwayJoins: a user who is away stays so in a room that the user joins.
func TestAwayJoins(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	if err := p.Away(t.Context(), so, true); err != nil {
		t.Fatal(err)
	}
	if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	if m := members(t, p, "lobby")["alice"]; !m.Away {
		t.Errorf("%+v", m)
	}
}

// TestKickHangs: a Store that does not answer in the time that Kick was given does not
// keep those of this process from being kicked.
func TestKickHangs(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store})
	s := serve(t, p)
	c, _ := s.join(t, as("alice"))
	g := newGate(t)
	store.set(func(ctx context.Context, op, _ string, pass func() error) error {
		if op == "evict" {
			return g.pass(ctx)
		}
		return pass()
	})
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	n, err := p.Kick(ctx, "alice")
	if err == nil {
		t.Error("no error")
	}
	if n != 1 {
		t.Fatalf("%d local devices were kicked, %v", n, err)
	}
	kicked(t, c, "replaced")
}

// TestCloseAgain: a second Close waits too.
func TestCloseAgain(t *testing.T) {
	t.Parallel()
	p, err := presence.New(query, nil)
	if err != nil {
		t.Fatal(err)
	}
	began, free := make(chan struct{}), make(chan struct{})
	p.Watch(func(presence.Change) { close(began); <-free })
	s := serve(t, p)
	s.join(t, as("alice"))
	<-began
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close beside a function that is under way: %v", err)
		}
		cancel()
	}
	close(free)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCloseBesideConnect: a socket that is in the middleware when the Tracker is closed
// does not count.
func TestCloseBesideConnect(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	began, free := make(chan struct{}), make(chan struct{})
	p := trackerOf(t, func(s *socket.Socket) (string, bool) {
		close(began)
		<-free
		return query(s)
	}, &presence.Options{Store: store, Grace: -1})
	s := serve(t, p)
	c := s.Dial(t, as("alice"))
	<-began
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	close(free)
	if got := c.Next(t); got.Type == siotest.TypeConnect {
		c.NoPacket(t, short)
	}
	if n, err := store.Store.Count(t.Context(), ""); n != 0 || err != nil {
		t.Errorf("%d online by a closed Tracker, %v", n, err)
	}
}

// TestOrderOfUsers: who came first is announced first. Versions do not tell: they mean
// something for the changes of one user alone.
func TestOrderOfUsers(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	p.Broadcast("online")
	s := serve(t, p)
	var users []string
	for i := range 10 {
		users = append(users, fmt.Sprint("user-", i))
	}
	clients, _ := s.lobby(t, users...)
	var got []any
	for range users {
		o, _ := clients[0].NextEvent(t, "online").Args()[0].(object)
		got = append(got, o["user"])
	}
	if fmt.Sprint(got) != fmt.Sprint(users) {
		t.Errorf("announced %v", got)
	}
}
