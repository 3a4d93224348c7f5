package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestDestroyBeforeConnect: what a handshake has found does not lead into a session
// that has ended since.
func TestDestroyBeforeConnect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		s := serve(t, newManager(t, k.open(t), nil))
		browser := s.visit(t)
		d = as(d, browser)
		d.NoConnect = true
		destroyed := s.Dial(t, d)
		if n, _, err := destroy(t, s.m, browser); n != 0 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		destroyed.Connect("/", nil)
		rejected(t, destroyed, "session_expired")
	})
}

// TestRejoin: a connection that has left all namespaces gets its session as it is by
// the time it comes back.
func TestRejoin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		store := k.open(t)
		s := serve(t, newManager(t, store, nil))
		c, old := s.join(t, d)
		browser := given(t, c)
		leave := func() {
			c.Disconnect("/")
			siotest.Eventually(t, "the session has no socket", func() bool {
				var now *session.Session
				request(s.m, browser, func(_ http.ResponseWriter, r *http.Request) { now, _ = s.m.FromContext(r.Context()) })
				return now != old
			})
		}
		leave()
		plain(t, store, browser, func(values map[any]any) { values["user"] = "ada" })
		c.Connect("/", nil)
		c.Connected(t)
		sess, _ := s.m.From(<-s.sockets)
		if name, _ := user.Get(sess); sess == old || name != "ada" && !k.readOnly {
			t.Errorf("user %q", name)
		}
		if sess.Room() != old.Room() {
			t.Error("another session")
		}
		old = sess
		leave()
		if _, _, err := destroy(t, s.m, browser); err != nil {
			t.Fatal(err)
		}
		c.Connect("/", nil)
		rejected(t, c, "session_expired")
	})
}

// TestClientGone: a client that leaves while the store hangs holds up nothing.
func TestClientGone(t *testing.T) {
	t.Parallel()
	for _, bare := range []bool{false, true} {
		for _, polling := range []bool{false, true} {
			store := &tap{Store: newMemory()}
			s := setup{bare: bare}.serve(t, newManager(t, store, &session.Options{Timeout: time.Minute, Logger: quiet}))
			browser := s.visit(t)
			gate, hangs := make(chan struct{}), make(chan struct{}, 10)
			release := sync.OnceFunc(func() { close(gate) })
			defer release()
			store.set(func(_, _ string, pass func() error) error {
				hangs <- struct{}{}
				<-gate
				return pass()
			})
			d := as(siotest.Dial{Polling: polling}, browser)
			if bare {
				c := s.Dial(t, d)
				<-hangs
				c.Kill()
			} else {
				ctx, cancel := context.WithCancel(t.Context())
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint(d), nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header = d.Header
				failed := make(chan error)
				go func() {
					_, err := http.DefaultClient.Do(r)
					failed <- err
				}()
				<-hangs
				cancel()
				if err := <-failed; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
			if !polling { // long-polling clients are missed by the ping timeout alone
				siotest.Eventually(t, "the server forgets the client", func() bool { return s.IO.Engine().ClientsCount() == 0 })
			}
			release()
			store.set(nil)
			s.join(t, with(browser))
		}
	}
}

// TestCollectable: a socket that was refused leaves nothing, while its connection stays.
func TestCollectable(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} { // by the Manager, or behind it
		store := &tap{Store: newMemory()}
		m := newManager(t, store, &session.Options{Missing: session.Refuse, Check: often})
		var sockets siotest.Garbage
		s := setup{bare: true, before: func(io *socket.Server) {
			io.Use(func(so *socket.Socket, next func(*socket.ExtendedError)) {
				sockets.Add(so)
				next(nil)
			})
		}, also: func(io *socket.Server) {
			io.Use(wrap.Func(func(context.Context, *socket.Socket) error { return &wrap.Error{Code: "forbidden"} }))
		}}.serve(t, m)
		cookie, want := "sid=x", "session_expired"
		if refuse {
			cookie, want = s.visit(t), "forbidden"
		}
		c := s.Dial(t, with(cookie))
		for range 5 {
			rejected(t, c, want)
			c.Connect("/", nil)
		}
		rejected(t, c, want)
		sockets.Await(t, 6, 0)
		before := store.news.Load()
		c.NoPacket(t, 2*often)
		if n := store.news.Load() - before; n > 0 {
			t.Errorf("%d looks at a session without sockets", n)
		}
	}
}

// TestDoubleNext: a middleware behind ours that calls next twice neither ends the
// process nor keeps a session from ending.
func TestDoubleNext(t *testing.T) {
	t.Parallel()
	m := newManager(t, newMemory(), nil)
	s := setup{also: func(io *socket.Server) {
		io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(nil)
			next(nil)
		})
	}}.serve(t, m)
	c, sess := s.join(t, siotest.Dial{})
	if n, err := sess.Destroy(t.Context()); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	c.NextEvent(t, "kicked")
	siotest.Eventually(t, "no socket is left", func() bool { return s.IO.Sockets().Sockets().Len() == 0 })
}

// TestNextTwice: a middleware behind ours that refuses a socket and admits it after that
// does not keep it from ending with its session.
func TestNextTwice(t *testing.T) {
	t.Parallel()
	m := newManager(t, newMemory(), nil)
	s := setup{also: func(io *socket.Server) {
		io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no", nil))
			next(nil)
		})
	}}.serve(t, m)
	s.Dial(t, siotest.Dial{})
	select {
	case so := <-s.sockets:
		sess, ok := m.From(so)
		if !ok {
			t.Fatal("connected without session")
		}
		siotest.Eventually(t, "it is settled", func() bool { return so.Connected() || s.IO.Sockets().Sockets().Len() == 0 })
		if _, err := sess.Destroy(t.Context()); err != nil {
			t.Error(err)
		}
		siotest.Eventually(t, "no socket is left", func() bool { return s.IO.Sockets().Sockets().Len() == 0 })
	case <-time.After(time.Second):
		// Or it is not connected at all.
	}
}

// TestRecovery: a socket with the recovered state of another session is refused; if
// the host was told to skip middlewares, nobody gets in.
func TestRecovery(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		recovery := new(siotest.Recovery)
		o := socket.DefaultServerOptions()
		r := &socket.ConnectionStateRecovery{}
		r.SetSkipMiddlewares(skip)
		o.SetConnectionStateRecovery(r)
		o.SetAdapter(recovery)
		s := setup{options: o}.serve(t, newManager(t, sessions.NewFilesystemStore(t.TempDir(), secret), nil))
		mine, other := s.visit(t), s.visit(t)
		if skip {
			refused(t, s.Server, with(mine), "internal")
			continue
		}
		c := s.Dial(t, with(mine))
		pid, _ := c.Connected(t).Data.(object)["pid"].(string)
		<-s.sockets
		recovery.Lose(t, s.Server, c, pid)
		siotest.Eventually(t, "its seat is free", func() bool { return session.Seats(s.m) == 0 })
		back := func(cookie string) siotest.Dial {
			d := with(cookie)
			d.Auth = object{"pid": pid, "offset": "0"}
			return d
		}
		refused(t, s.Server, back(other), "forbidden")
		refused(t, s.Server, back(""), "forbidden")
		again, sess := s.join(t, back(mine))
		if n, _, err := destroy(t, s.m, mine); n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		kicked(t, again, "session_expired")
		refused(t, s.Server, back(mine), "forbidden") // a new session, with another's state
		if err := sess.Reload(t.Context()); !errors.Is(err, session.ErrGone) {
			t.Error(err)
		}
	}
}
