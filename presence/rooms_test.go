package presence_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRoomStorm: whatever sockets do in rooms while they come and go, in the end nobody
// is there, and while somebody is the Store and the Tracker agree.
func TestRoomStorm(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	const clients = 8
	rooms := []string{"a", "b", "c"}
	p := newTracker(t, &presence.Options{Grace: -1})
	p.Broadcast("online")
	l := watch(t, p)
	var work sync.WaitGroup
	var mu sync.Mutex
	over := false // the host may tell of a socket that has long gone
	act := func(args ...any) {
		so, _ := args[0].(*socket.Socket)
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		for i := range 4 {
			work.Go(func() {
				ctx := context.Background()
				for n := range 8 {
					room := rooms[(i+n)%len(rooms)]
					for _, err := range []error{
						p.Join(ctx, so, room, n), p.Update(ctx, so, room, "new"), p.Away(ctx, so, n%2 == 0), p.Leave(ctx, so, room),
						p.Join(ctx, so, room, nil),
					} {
						if err != nil && !errors.Is(err, presence.ErrAbsent) {
							t.Error(err)
						}
					}
				}
			})
		}
	}
	s := serve(t, p)
	s.sockets = make(chan *socket.Socket, 2*clients*rounds)
	_ = s.IO.On("connection", act)
	_ = s.IO.Of("/other", nil).On("connection", act)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for n := range rounds {
				d := as(fmt.Sprint("user-", i%3))
				d.Polling = (i+n)%5 == 0
				c, err := s.Open(t, d)
				if err != nil {
					t.Error(err)
					return
				}
				c.Connect("/", nil)
				c.Connect("/other", nil)
				switch n % 4 {
				case 0:
					c.Disconnect("/other")
				case 1:
					_, _ = p.Kick(context.Background(), fmt.Sprint("user-", i%3))
				case 2:
					c.Kill()
				}
				c.Close()
			}
		})
	}
	all.Wait()
	siotest.Eventually(t, "no socket is left", func() bool {
		return s.IO.Sockets().Sockets().Len()+s.IO.Of("/other", nil).Sockets().Len() == 0
	})
	mu.Lock()
	over = true
	mu.Unlock()
	work.Wait()
	nobody(t, p, rooms...)
	for _, nsp := range []socket.Namespace{s.IO.Sockets(), s.IO.Of("/other", nil)} {
		if n := nsp.Proto().Adapter().Rooms().Len(); n != 0 {
			t.Logf("%d of the host's rooms are left in %s", n, nsp.Name())
		}
	}
	for i := range 3 {
		user := fmt.Sprint("user-", i)
		siotest.Eventually(t, "all is told", func() bool { return len(l.of(presence.Online, user)) == len(l.of(presence.Offline, user)) })
	}
}

// TestSharedRoom: a room has a user once, as long as a socket of that user is in it,
// and what is reported is what changes.
func TestSharedRoom(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	l := watch(t, p)
	s := serve(t, p)
	c, one, two := s.both(t, "alice")
	for _, so := range []*socket.Socket{one, two, one} {
		if err := p.Join(t.Context(), so, "lobby", json.RawMessage(`{ "x": 1 }`)); err != nil {
			t.Fatal(err)
		}
	}
	if m := members(t, p, "lobby")["alice"]; len(m.Devices) != 1 || string(m.Meta) != `{"x":1}` {
		t.Errorf("%+v", m)
	}
	if err := p.Leave(t.Context(), one, "lobby"); err != nil {
		t.Error(err)
	}
	if err := p.Update(t.Context(), one, "lobby", nil); !errors.Is(err, presence.ErrAbsent) {
		t.Error(err)
	}
	if n, err := p.Count(t.Context(), "lobby"); n != 1 || err != nil {
		t.Error(n, err)
	}
	c.Leave(t, "/other")
	l.await(t, presence.Left, "alice", 1)
	l.await(t, presence.Joined, "alice", 1)
	if n := len(l.of(presence.Updated, "alice")); n != 0 {
		t.Errorf("%+v", l.all())
	}
	if all, _ := presence.SocketsOf(p, one, ""); all != 1 {
		t.Errorf("%d sockets", all)
	}
}

// TestMembersFor: viewers see only those whom they may.
func TestMembersFor(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer // Visible is called here alone
	p := newTracker(t, &presence.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Visible: func(viewer *socket.Socket, who string) bool {
		if who == "bomb" {
			panic("no")
		}
		user, _ := query(viewer)
		return who == user || who == "public"
	}})
	s := serve(t, p)
	sockets := make(map[string]*socket.Socket)
	for _, user := range []string{"alice", "bob", "public", "bomb"} {
		_, so := s.join(t, as(user))
		sockets[user] = so
		if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[string]int{"alice": 2, "bob": 2, "public": 1} {
		for _, room := range []string{"", "lobby"} {
			n := 0
			for m, err := range p.MembersFor(t.Context(), sockets[user], room) {
				if err != nil || m.User != user && m.User != "public" {
					t.Error(m, err)
				}
				n++
			}
			if n != want {
				t.Errorf("%s sees %d in %q", user, n, room)
			}
			for range p.MembersFor(t.Context(), sockets[user], room) {
				break
			}
		}
	}
	if text := log.String(); !strings.Contains(text, "Options.Visible panicked") || !strings.Contains(text, "TestMembersFor") {
		t.Errorf("the log has %s", text)
	}
}

// TestLeaveEverywhere: a device that signs out is gone at once, and stays connected.
func TestLeaveEverywhere(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	l := watch(t, p)
	s := serve(t, p)
	c, so := s.join(t, as("alice"))
	for _, room := range []string{"lobby", "game"} {
		if err := p.Join(t.Context(), so, room, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Leave(t.Context(), so, ""); err != nil {
		t.Fatal(err)
	}
	l.await(t, presence.Left, "alice", 2)
	if off := l.await(t, presence.Offline, "alice", 1); off.Cause != presence.CauseLeft {
		t.Errorf("%+v", off)
	}
	s.IO.To("lobby").Emit("not for those who have left")
	for _, err := range []error{p.Leave(t.Context(), so, ""), p.Join(t.Context(), so, "lobby", nil), p.Away(t.Context(), so, true)} {
		if !errors.Is(err, presence.ErrAbsent) {
			t.Errorf("got %v", err)
		}
	}
	c.NoPacket(t, 0)
	if n, err := p.Kick(t.Context(), "alice"); n != 0 || err != nil {
		t.Error(n, err)
	}
	c.Close()
}

// TestStatusIn: who of these is in a room.
func TestStatusIn(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	s.join(t, as("bob"))
	if err := p.Join(t.Context(), so, "lobby", 1); err != nil {
		t.Fatal(err)
	}
	all, err := p.StatusIn(t.Context(), "lobby", "bob", "alice")
	if err != nil || len(all) != 2 || all[0].Online || !all[1].Online || string(all[1].Devices[0].Meta) != "1" {
		t.Errorf("%+v, %v", all, err)
	}
	if m := members(t, p, "lobby")["alice"]; m.Version == 0 || m.Version != all[1].Version {
		t.Errorf("version %d, and %d", m.Version, all[1].Version)
	}
}

// TestAwayAtConnect: nobody sees a background tab that reconnects.
func TestAwayAtConnect(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Away: func(s *socket.Socket) bool {
		if s.Request().Request().URL.Query().Get("user") == "panic" {
			panic("no")
		}
		return true
	}, Logger: quiet})
	l := watch(t, p)
	s := serve(t, p)
	s.join(t, as("panic"))
	if status(t, p, "panic").Away {
		t.Error("away by a panic")
	}
	for range 3 {
		c, so := s.join(t, as("alice"))
		if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
			t.Fatal(err)
		}
		if !status(t, p, "alice").Away || !members(t, p, "lobby")["alice"].Away {
			t.Error("not away")
		}
		c.Kill()
		siotest.Eventually(t, "grace", func() bool {
			return len(status(t, p, "alice").Devices)+len(members(t, p, "lobby")["alice"].Devices) == 0
		})
	}
	if all := l.of(presence.Updated, "alice"); len(all) > 0 {
		t.Errorf("%+v", all)
	}
}
