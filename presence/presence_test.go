package presence_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestOnline: a user is online from the first connection to the grace after the last.
func TestOnline(t *testing.T) {
	t.Parallel()
	for _, polling := range []bool{false, true} {
		p := newTracker(t, &presence.Options{Grace: short, Meta: func(s *socket.Socket) any { return "phone" }})
		l := watch(t, p)
		s := serve(t, p)
		d := as("alice")
		d.Polling = polling
		one, so := s.join(t, d)
		if id, ok := p.From(so); !ok || id.User != "alice" || id.Device == "" {
			t.Errorf("From: %v, %v", id, ok)
		}
		st := status(t, p, "alice")
		if !st.Online || st.Away || len(st.Devices) != 1 || string(st.Devices[0].Meta) != `"phone"` || !st.LastSeen.IsZero() {
			t.Errorf("%+v", st)
		}
		two, _ := s.join(t, d)
		if n := len(status(t, p, "alice").Devices); n != 2 {
			t.Errorf("%d devices", n)
		}
		one.Close()
		siotest.Eventually(t, "one device", func() bool { return len(status(t, p, "alice").Devices) == 1 })
		two.Close()
		off := l.await(t, presence.Offline, "alice", 1)
		if off.Seen.IsZero() || off.At.Sub(off.Seen) < short {
			t.Errorf("gone %v after the last device", off.At.Sub(off.Seen))
		}
		l.await(t, presence.Online, "alice", 1)
		if st := status(t, p, "alice"); st.Online || st.Version != 0 || st.LastSeen.IsZero() {
			t.Errorf("%+v", st)
		}
		if n, err := p.Count(t.Context(), ""); n != 0 || err != nil {
			t.Error(n, err)
		}
	}
}

// TestReconnect: nobody sees a short reconnect.
func TestReconnect(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: time.Minute})
	l := watch(t, p)
	s := serve(t, p, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			if err := p.Join(t.Context(), args[0].(*socket.Socket), "lobby", nil); err != nil {
				t.Error(err)
			}
		})
	})
	for range 10 {
		c, _ := s.join(t, as("alice"))
		c.Kill()
		siotest.Eventually(t, "grace", func() bool {
			st := status(t, p, "alice")
			return st.Online && len(st.Devices) == 0 && len(members(t, p, "lobby")["alice"].Devices) == 0
		})
	}
	s.join(t, as("alice"))
	if all := l.all(); len(all) != 2 {
		t.Errorf("%+v", all)
	}
}

// TestRefused: a socket that was refused, by whomever, was never there.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1, MaxUser: 10})
	l := watch(t, p)
	s := serve(t, p, func(io *socket.Server) {
		io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no", nil))
		})
	})
	for _, user := range []string{"", "\xff", strings.Repeat("x", 11)} {
		rejected(t, s.Dial(t, as(user)), "forbidden")
	}
	for range 10 {
		s.Dial(t, as("alice")).ConnectError(t)
	}
	c := s.Dial(t, siotest.Dial{Namespace: "/other"})
	c.Connected(t)
	if _, ok := p.From(<-s.sockets); ok {
		t.Error("a socket without user has one")
	}
	if n, err := p.Count(t.Context(), ""); n != 0 || err != nil || len(l.all()) != 0 {
		t.Error(n, err, l.all())
	}
}

// TestNamespaces: the sockets of one connection are one device.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	l := watch(t, p)
	s := serve(t, p)
	c, _ := s.join(t, as("alice"))
	c.Connect("/other", nil)
	c.Connected(t)
	other := <-s.sockets
	if err := p.Join(t.Context(), other, "lobby", 1); err != nil {
		t.Fatal(err)
	}
	if st := status(t, p, "alice"); len(st.Devices) != 1 {
		t.Errorf("%+v", st)
	}
	c.Leave(t, "/other")
	l.await(t, presence.Left, "alice", 1)
	if st := status(t, p, "alice"); !st.Online {
		t.Errorf("%+v", st)
	}
	if err := p.Join(t.Context(), other, "lobby", 1); !errors.Is(err, presence.ErrAbsent) {
		t.Errorf("a socket that has gone: %v", err)
	}
	c.Close()
	l.await(t, presence.Offline, "alice", 1)
}

// TestDevices: a limit of devices, by either policy.
func TestDevices(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{MaxDevices: 2})
	s := serve(t, p)
	one, _ := s.join(t, as("alice"))
	two, _ := s.join(t, as("alice"))
	s.join(t, as("alice"))
	kicked(t, one, "replaced")
	s.join(t, as("alice"))
	kicked(t, two, "replaced")
	if st := status(t, p, "alice"); len(st.Devices) != 2 {
		t.Errorf("%+v", st)
	}

	p = newTracker(t, &presence.Options{MaxDevices: 1, Policy: presence.OldestWins, Grace: -1})
	s = serve(t, p)
	one, _ = s.join(t, as("alice"))
	rejected(t, s.Dial(t, as("alice")), "too_many_connections")
	one.Connect("/other", nil)
	one.Connected(t)
	one.Close()
	siotest.Eventually(t, "offline", func() bool { return !status(t, p, "alice").Online })
	<-s.sockets
	s.join(t, as("alice"))
}

// TestKick: the other devices, all of them, and why.
func TestKick(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: time.Minute})
	l := watch(t, p)
	s := serve(t, p)
	one, mine := s.join(t, as("alice"))
	two, _ := s.join(t, as("alice"))
	two.Connect("/other", nil)
	two.Connected(t)
	bob, _ := s.join(t, as("bob"))
	n, err := p.Kick(t.Context(), "alice", presence.Except(mine), presence.Reason("elsewhere"))
	if n != 1 || err != nil {
		t.Error(n, err)
	}
	for range 2 {
		args := two.NextEvent(t, "kicked").Args()
		data, _ := args[0].(object)
		if code(data) != "replaced" || data["reason"] != "elsewhere" || data["message"] != "Disconnected by the server" {
			t.Errorf("kicked %v", args)
		}
	}
	if n, err := p.Kick(t.Context(), "alice"); n != 1 || err != nil {
		t.Error(n, err)
	}
	kicked(t, one, "replaced")
	if off := l.await(t, presence.Offline, "alice", 1); off.Cause != presence.CauseKicked {
		t.Errorf("%+v", off)
	}
	if n, err := p.Kick(t.Context(), "nobody"); n != 0 || err != nil {
		t.Error(n, err)
	}
	bob.NoPacket(t, 0)
}

// TestRooms: members come, change and go.
func TestRooms(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1, MaxRooms: 2, MaxMeta: 10})
	l := watch(t, p)
	s := serve(t, p)
	c, so := s.join(t, as("alice"))
	for room, want := range map[string]error{
		"": presence.ErrRoom, "a\x00b": presence.ErrRoom, "\xff": presence.ErrRoom, "sioware:x": presence.ErrRoom,
		strings.Repeat("x", 257): presence.ErrRoom,
	} {
		if err := p.Join(t.Context(), so, room, nil); !errors.Is(err, want) {
			t.Errorf("%q: %v", room, err)
		}
	}
	for _, meta := range []any{strings.Repeat("x", 10), make(chan int), panics{}} {
		if err := p.Join(t.Context(), so, "lobby", meta); !errors.Is(err, presence.ErrMeta) {
			t.Errorf("%T: %v", meta, err)
		}
	}
	for _, room := range []string{"lobby", "game", "third"} {
		if err := p.Join(t.Context(), so, room, 1); (err != nil) != (room == "third") || err != nil && !errors.Is(err, presence.ErrRooms) {
			t.Errorf("%s: %v", room, err)
		}
	}
	if err := p.Update(t.Context(), so, "lobby", object{"t": true}); err != nil {
		t.Error(err)
	}
	if err := p.Update(t.Context(), so, "third", nil); !errors.Is(err, presence.ErrAbsent) {
		t.Error(err)
	}
	if err := p.Away(t.Context(), so, true); err != nil {
		t.Error(err)
	}
	if m := members(t, p, "lobby"); len(m) != 1 || string(m["alice"].Meta) != `{"t":true}` || !m["alice"].Away {
		t.Errorf("%+v", m)
	}
	if st := status(t, p, "alice"); !st.Away {
		t.Errorf("%+v", st)
	}
	s.IO.To("lobby").Emit("hello")
	c.NextEvent(t, "hello")
	if err := p.Leave(t.Context(), so, "lobby"); err != nil {
		t.Error(err)
	}
	if left := l.await(t, presence.Left, "alice", 1); left.Room != "lobby" || left.Cause != presence.CauseLeft {
		t.Errorf("%+v", left)
	}
	if err := p.Leave(t.Context(), so, "lobby"); !errors.Is(err, presence.ErrAbsent) {
		t.Error(err)
	}
	c.Close()
	l.await(t, presence.Left, "alice", 2)
	if n, err := p.Count(t.Context(), "game"); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// panics cannot be marshaled.
type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no") }

// TestBroadcast: those who are in a room are told who comes and goes.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	p.Broadcast("online")
	s := serve(t, p, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			if err := p.Join(t.Context(), args[0].(*socket.Socket), "lobby", nil); err != nil {
				t.Error(err)
			}
		})
	})
	alice, _ := s.join(t, as("alice"))
	online(t, alice, "join", "alice", 1)
	bob, _ := s.join(t, as("bob"))
	online(t, alice, "join", "bob", 2)
	online(t, bob, "join", "bob", 2)
	tab, _ := s.join(t, as("bob"))
	online(t, tab, "sync", "", 2)
	tab.Close()
	bob.Close()
	online(t, alice, "leave", "bob", 1)
	alice.NoPacket(t, 0)
}

// online waits for what Broadcast sends.
func online(t testing.TB, c *siotest.Client, action, user string, n int) {
	t.Helper()
	args := c.NextEvent(t, "online").Args()
	got, _ := args[0].(object)
	clients, _ := got["clients"].([]any)
	who, _ := got["user"].(string)
	if got["action"] != action || who != user || len(clients) != n || got["count"] != float64(n) || got["room"] != "lobby" {
		t.Errorf("got %v, want %s of %s, %d", got, action, user, n)
	}
}
