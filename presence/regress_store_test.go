package presence_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestBroadcastOvertaken: what is sent last is current.
func TestBroadcastOvertaken(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1, Timeout: 5 * time.Second})
	p.Broadcast("online")
	s := serve(t, p)
	alice, a := s.join(t, as("alice"))
	_, b := s.join(t, as("bob"))
	g := newGate(t)
	var n atomic.Int32
	store.set(func(ctx context.Context, op, _ string, pass func() error) error {
		err := pass()
		if op == "list" && n.Add(1) == 1 { // the answer takes its time
			return g.pass(ctx)
		}
		return err
	})
	if err := p.Join(t.Context(), a, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	g.await(t)
	if err := p.Join(t.Context(), b, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	over := time.Now().Add(5 * short)
	siotest.Eventually(t, "both are sent", func() bool { return n.Load() > 1 || time.Now().After(over) })
	first := n.Load()
	if first > 1 {
		online(t, alice, "join", "bob", 2)
	}
	g.open()
	if first == 1 {
		online(t, alice, "join", "alice", 1)
		online(t, alice, "join", "bob", 2)
		return
	}
	got, _ := alice.NextEvent(t, "online").Args()[0].(object)
	t.Errorf("what comes last is old: %v", got)
}

// TestFullRoom: a Store that returns what it must not, ErrFull for a room, does no harm.
func TestFullRoom(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p, err := presence.New(query, &presence.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	store.set(func(_ context.Context, op, _ string, pass func() error) error {
		if op == "join" {
			return presence.ErrFull
		}
		return pass()
	})
	joined := make(chan error, 1)
	go func() { joined <- p.Join(context.Background(), so, "lobby", nil) }()
	select {
	case err := <-joined:
		if err == nil {
			t.Error("joined")
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	case <-time.After(time.Second):
		t.Error("Join hangs, and so would Close")
	}
}

// TestConnectBehindJoin: a socket is let in by Options.Timeout, and can be kicked, also
// if a Join of another socket of its device waits for the Store without an end.
func TestConnectBehindJoin(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Timeout: short, Logger: quiet})
	s := serve(t, p)
	c, so := s.join(t, as("alice"))
	g := newGate(t)
	store.set(func(ctx context.Context, op, room string, pass func() error) error {
		if op == "join" && room == "lobby" {
			return g.pass(ctx)
		}
		return pass()
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer g.open()
	wg.Go(func() { _ = p.Join(context.Background(), so, "lobby", nil) })
	g.await(t)
	c.Connect("/other", nil)
	select {
	case <-s.sockets:
	case <-time.After(10 * short):
		t.Error("the connection handlers have not run")
	}
}

// TestRoomsAfterClose: after Close nothing of a socket is kept.
func TestRoomsAfterClose(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	s := serve(t, p)
	c, so := s.join(t, as("alice"))
	if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	over := time.Now().Add(3 * short)
	held := func() int { a, b, c := presence.Held(p); return a + b + c }
	siotest.Eventually(t, "it settles", func() bool { return held() == 0 || time.Now().After(over) })
	if held() != 0 {
		t.Errorf("%d devices, users and rooms are held", held())
	}
}

// TestOutageLog: an outage makes few records.
func TestOutageLog(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log bytes.Buffer
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Logger: slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil))})
	s := serve(t, p)
	store.leave()
	for range 50 {
		s.join(t, as("alice"))
	}
	store.comeBack(short)
	mu.Lock()
	defer mu.Unlock()
	if n := bytes.Count(log.Bytes(), []byte("\n")); n > 5 {
		t.Errorf("%d records for 50 sockets", n)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// TestJoinError: join says that s is in the room where it returns the error of ctx ("s is
// in the room then").
func TestJoinError(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store})
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	g := newGate(t)
	store.set(func(ctx context.Context, op, room string, pass func() error) error {
		if op == "join" && room == "first" {
			return g.pass(ctx)
		}
		return pass()
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer g.open()
	wg.Go(func() { _ = p.Join(context.Background(), so, "first", nil) })
	g.await(t)
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	err := p.Join(ctx, so, "second", nil)
	if in := so.Rooms().Has("second"); !in && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, presence.ErrAbsent) {
		t.Errorf("%v, and it is not in the room", err)
	}
}

// TestUserTwice: the function given to New is called once for each socket that has a user,
// even if it passes Middleware twice.
func TestUserTwice(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	p := trackerOf(t, func(*socket.Socket) (string, bool) { n.Add(1); return "alice", true }, nil)
	s := serve(t, p, func(io *socket.Server) { io.Use(p.Middleware()) })
	s.join(t, siotest.Dial{})
	if n.Load() != 1 {
		t.Errorf("called %d times", n.Load())
	}
}

// TestBroadcastLeft: a socket that has left a room is not sent who is in it, although its
// members were being looked up by then.
func TestBroadcastLeft(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1, Timeout: 5 * time.Second})
	p.Broadcast("online")
	s := serve(t, p)
	alice, a := s.join(t, as("alice"))
	bob, b := s.join(t, as("bob"))
	g := newGate(t)
	g.holds(store, "list", "lobby")
	for _, so := range []*socket.Socket{a, b} {
		if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
			t.Fatal(err)
		}
	}
	g.await(t)
	if err := p.Leave(t.Context(), a, "lobby"); err != nil {
		t.Fatal(err)
	}
	g.open()
	online(t, bob, "join", "alice", 1)
	_ = a.Emit("end")
	for e := alice.Next(t); e.Event() != "end"; e = alice.Next(t) {
		t.Errorf("who has left is sent %v", e.Args())
	}
}
