package presence_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestLimitAtOnce: of devices that come at the same moment as many stay as may, and the
// others are told why they may not.
func TestLimitAtOnce(t *testing.T) {
	t.Parallel()
	const clients, limit = 30, 3
	for policy, want := range map[presence.Policy]string{
		presence.NewestWins: "replaced", presence.OldestWins: "too_many_connections",
	} {
		p := newTracker(t, &presence.Options{MaxDevices: limit, Policy: policy, Grace: -1})
		l := watch(t, p)
		s := serve(t, p)
		all := make([]*siotest.Client, clients)
		for i := range all {
			d := as("alice")
			d.NoConnect, d.Polling = true, i%4 == 0
			all[i] = s.Dial(t, d)
		}
		for _, c := range all {
			go c.Connect("/", nil)
		}
		told := 0
		var left []*siotest.Client
		for _, c := range all {
			switch got := c.Next(t); {
			case got.Type == siotest.TypeConnect:
				left = append(left, c)
			case code(got.Data) == want:
				told++
			}
		}
		siotest.Eventually(t, "as many as may are there", func() bool {
			return len(status(t, p, "alice").Devices) == limit && s.IO.Sockets().Sockets().Len() == limit
		})
		s.IO.Sockets().Sockets().Range(func(_ socket.SocketId, so *socket.Socket) bool {
			left = slices.DeleteFunc(left, func(c *siotest.Client) bool { return c.SID == so.Conn().Id() })
			return true
		})
		for _, c := range left {
			kicked(t, c, want)
			told++
		}
		if told != clients-limit {
			t.Errorf("%d were told %s", told, want)
		}
		if n := len(l.of(presence.Online, "alice")); n != 1 {
			t.Errorf("came %d times", n)
		}
		for _, c := range all {
			c.Close()
		}
		nobody(t, p)
	}
}

// TestTwoUsers: the user may differ between the namespaces of a connection.
func TestTwoUsers(t *testing.T) {
	t.Parallel()
	p := trackerOf(t, func(s *socket.Socket) (string, bool) { return s.Nsp().Name(), true }, &presence.Options{Grace: -1})
	s := serve(t, p)
	c, one, two := s.both(t, "")
	a, _ := p.From(one)
	b, _ := p.From(two)
	if a.User != "/" || b.User != "/other" || a.Device == b.Device {
		t.Errorf("%v, %v", a, b)
	}
	if n, err := p.Kick(t.Context(), "/other"); n != 1 || err != nil {
		t.Error(n, err)
	}
	kicked(t, c, "replaced")
	if st := status(t, p, "/"); !st.Online {
		t.Errorf("%+v", st)
	}
	c.NoPacket(t, 0)
	c.Close()
	nobody(t, p)
}

// TestTwice: the middleware may be used twice, and there may be two Trackers.
func TestTwice(t *testing.T) {
	t.Parallel()
	p, q := newTracker(t, &presence.Options{Grace: -1}), newTracker(t, &presence.Options{Grace: -1})
	l := watch(t, p)
	s := serve(t, p, func(io *socket.Server) {
		io.Use(p.Middleware())
		wrap.UseAll(io, q.Middleware())
	})
	c, so := s.join(t, as("alice"))
	if st, other := status(t, p, "alice"), status(t, q, "alice"); len(st.Devices) != 1 || len(other.Devices) != 1 {
		t.Errorf("%+v, %+v", st, other)
	}
	if all, _ := presence.SocketsOf(p, so, ""); all != 1 {
		t.Errorf("%d sockets", all)
	}
	c.Close()
	l.await(t, presence.Offline, "alice", 1)
	nobody(t, p)
	nobody(t, q)
}

// TestBefore: a socket that a middleware before ours refuses, or that goes within one
// behind it, was never there; on both transports, and for old clients too.
func TestBefore(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	l := watch(t, p)
	before := serve(t, trackerOf(t, func(*socket.Socket) (string, bool) { return "", false }, nil), func(io *socket.Server) {
		wrap.UseAll(io, wrap.Func(func(context.Context, *socket.Socket) error { return &wrap.Error{Code: "forbidden"} }), p.Middleware())
	})
	came, gone := make(chan struct{}, 10), make(chan struct{}, 10)
	within := serve(t, p, func(io *socket.Server) {
		wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			came <- struct{}{}
			<-wrap.Context(s).Done()
			gone <- struct{}{}
			return nil
		}))
	})
	for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}} {
		d.Query = as("alice").Query
		if d.EIO == 0 {
			rejected(t, before.Dial(t, d), "forbidden")
		}
		d.Eager = true
		c := within.Dial(t, d)
		<-came
		c.Close()
		<-gone
	}
	nobody(t, p)
	if all := l.all(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestTransports: a client that comes by any transport and protocol revision is
// there, and goes.
func TestTransports(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	l := watch(t, p)
	s := serve(t, p)
	for i, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}, {EIO: 3, Polling: true}} {
		d.Query = as("alice").Query
		c := s.Dial(t, d)
		l.await(t, presence.Online, "alice", i+1)
		c.Close()
		l.await(t, presence.Offline, "alice", i+1)
		<-s.sockets
	}
	nobody(t, p)
}

// TestCollectable: a socket that is refused or has gone leaves nothing, while its
// connection stays.
func TestCollectable(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	p.Broadcast("online")
	watch(t, p)
	var sockets siotest.Garbage
	joined := make(chan struct{}, 6)
	s := siotest.Config{Options: wrap.Harden(nil)}.NewServer(t, func(io *socket.Server) {
		other := io.Of("/other", nil)
		wrap.UseAll(io, p.Middleware(), wrap.Func(func(_ context.Context, s *socket.Socket) error {
			if s.Nsp().Name() == "/" {
				return nil
			}
			if sockets.Add(s)%2 == 0 {
				return &wrap.Error{Code: "forbidden"}
			}
			return nil
		}))
		_ = other.On("connection", func(args ...any) {
			so, _ := args[0].(*socket.Socket)
			for _, room := range []string{"a", "b"} {
				if err := p.Join(context.Background(), so, room, nil); err != nil {
					t.Error(err)
				}
			}
			joined <- struct{}{}
		})
	})
	c := s.Dial(t, as("alice"))
	c.Connected(t)
	for range 6 {
		c.Connect("/other", nil)
		got := c.Next(t)
		for got.Type == siotest.TypeEvent { // who is online
			got = c.Next(t)
		}
		if got.Type == siotest.TypeConnect {
			<-joined
			c.Leave(t, "/other")
			siotest.Eventually(t, "left", func() bool { return len(members(t, p, "b"))+len(members(t, p, "a")) == 0 })
		}
	}
	sockets.Await(t, 6, 0)
	c.Close()
	nobody(t, p)
}

// TestPanics: panics of the application when a socket connects.
func TestPanics(t *testing.T) {
	t.Parallel()
	p := trackerOf(t, func(*socket.Socket) (string, bool) { panic("no") }, nil)
	s := serve(t, p)
	rejected(t, s.Dial(t, as("alice")), "internal")
	nobody(t, p)
	for name, meta := range map[string]func(*socket.Socket) any{
		"panic":             func(*socket.Socket) any { panic("no") },
		"panic of its JSON": func(*socket.Socket) any { return panics{} },
		"no JSON":           func(*socket.Socket) any { return make(chan int) },
		"too long":          func(*socket.Socket) any { return strings.Repeat("x", 5000) },
	} {
		var log bytes.Buffer
		p := newTracker(t, &presence.Options{Meta: meta, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		serve(t, p).join(t, as("alice"))
		if st := status(t, p, "alice"); len(st.Devices) != 1 || st.Devices[0].Meta != nil {
			t.Errorf("%s: %+v", name, st)
		}
		if told := strings.Contains(log.String(), "goroutine "); told != strings.HasPrefix(name, "panic") {
			t.Errorf("%s: the log has a stack: %t\n%s", name, told, log.String())
		}
	}
}

// TestMisplaced: if Middleware stands in front of what authenticates, nobody is online, and
// the log says why, once. Guests are no reason for that.
func TestMisplaced(t *testing.T) {
	t.Parallel()
	type user struct{ name string }
	signIn := wrap.Func(func(_ context.Context, s *socket.Socket) error {
		if name, ok := query(s); ok {
			s.SetData(user{name})
		}
		return nil
	})
	signedIn := func(s *socket.Socket) (string, bool) {
		u, ok := s.Data().(user)
		return u.name, ok
	}
	for want, of := range []func(*socket.Socket) (string, bool){query, signedIn} {
		var log bytes.Buffer
		p := trackerOf(t, of, &presence.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		s := serve(t, p, func(io *socket.Server) { io.Use(signIn) })
		for _, d := range []siotest.Dial{{}, as("ada"), as("bob")} {
			s.join(t, d)
		}
		if got := strings.Count(log.String(), "behind what authenticates"); got != want {
			t.Errorf("told %d times, want %d:\n%s", got, want, log.String())
		}
	}
}

// TestMisplacedAsks: that is asked about the first 64 guests alone.
func TestMisplacedAsks(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := serve(t, trackerOf(t, func(*socket.Socket) (string, bool) { n.Add(1); return "", false }, nil))
	for range 66 {
		s.join(t, siotest.Dial{})
	}
	if n.Load() != 66+64 {
		t.Errorf("asked %d times", n.Load())
	}
}
