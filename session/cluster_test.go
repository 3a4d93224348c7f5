package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/zishang520/socket.io/v2/socket"
)

// nodes are two servers of a cluster. Each has its Manager and its view of one store.
func nodes(t *testing.T, a, b sessions.Store) (*bus, *server, *server) {
	t.Helper()
	cluster := &bus{}
	o := func() *session.Options { return &session.Options{Check: time.Hour, Logger: quiet} }
	return cluster,
		setup{options: cluster.options()}.serve(t, newManager(t, a, o())),
		setup{options: cluster.options()}.serve(t, newManager(t, b, o()))
}

// TestCluster: what one node ends the others end at once, over stores of their own.
func TestCluster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	dir := t.TempDir()
	for name, open := range map[string]func() sessions.Store{
		"redis": func() sessions.Store { return openRedis(t, server.Addr, redistore.GobSerializer{}, maxAge) },
		"files": func() sessions.Store { return sessions.NewFilesystemStore(dir, secret) },
	} {
		t.Run(name, func(t *testing.T) {
			store := open()
			_, a, b := nodes(t, store, open())
			first, _ := a.join(t, siotest.Dial{}) // so that the Managers know their servers
			b.join(t, siotest.Dial{})
			browser := given(t, first)
			here, mine := a.join(t, with(browser))
			there, theirs := b.join(t, as(siotest.Dial{Polling: true}, browser))
			if mine.Room() != theirs.Room() {
				t.Error("two rooms")
			}
			n, _, err := destroy(t, a.m, browser)
			if n != 2 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
			for _, c := range []*siotest.Client{first, here, there} {
				if data := kicked(t, c, "session_expired"); data["retryAfterMs"] != nil || data["retryable"] != false {
					t.Errorf("kicked with %v", data)
				}
			}
			if err := theirs.Update(t.Context(), add); !errors.Is(err, session.ErrGone) {
				t.Errorf("Update: %v", err)
			}
			lost(t, b, with(browser), theirs)

			next, _ := a.join(t, siotest.Dial{})
			browser = given(t, next)
			there, _ = b.join(t, with(browser))
			w, err := renew(t, a.m, browser, login)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []*siotest.Client{next, there} {
				if data := kicked(t, c, "session_expired"); data["retryAfterMs"] != 1000.0 {
					t.Errorf("kicked with %v", data)
				}
			}
			_, sess := b.join(t, with(cookie(t, w)))
			if name, _ := user.Get(sess); name != "ada" {
				t.Errorf("user %q", name)
			}
		})
	}
}

// racing makes node B save a session while A destroys it. early says that B learns of
// it before it saves.
func racing(t *testing.T, early bool, save func(b *server, store *memory, browser string) error) (store *memory, browser string, err error) {
	t.Helper()
	store = newMemory()
	slow := &tap{Store: store}
	cluster, a, b := nodes(t, store, slow)
	b.join(t, siotest.Dial{}) // so that it knows its server
	first, _ := a.join(t, siotest.Dial{})
	browser = given(t, first)
	there, theirs := b.join(t, with(browser))
	if !early {
		cluster.hold()
	}
	loaded, proceed := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	slow.set(func(op, _ string, pass func() error) error {
		if op == "save" && once.CompareAndSwap(false, true) {
			close(loaded)
			<-proceed
		}
		return pass()
	})
	var wg sync.WaitGroup
	wg.Go(func() { err = save(b, store, browser) })
	<-loaded
	if n, _, err := destroy(t, a.m, browser); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if early {
		siotest.Eventually(t, "B has heard", func() bool {
			_, err := theirs.Renew(nil)
			return errors.Is(err, session.ErrGone)
		})
	}
	close(proceed)
	wg.Wait()
	cluster.release()
	kicked(t, there, "session_expired")
	return store, browser, err
}

// TestSaveDuringDestroy: a change that B saves while A destroys the session is not left
// in the store, whether B hears of it before or after.
func TestSaveDuringDestroy(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} {
		store, browser, err := racing(t, early, func(b *server, _ *memory, browser string) error {
			_, sess := b.join(t, with(browser))
			return sess.Update(context.Background(), add)
		})
		if early != errors.Is(err, session.ErrGone) {
			t.Errorf("Update: %v", err)
		}
		siotest.Eventually(t, "the session is removed", func() bool { return !store.has(browser) })
	}
}

// TestTouchDuringDestroy: like TestSaveDuringDestroy, but B saves because a handshake
// prolongs the session.
func TestTouchDuringDestroy(t *testing.T) {
	t.Parallel()
	store, browser, _ := racing(t, false, func(b *server, store *memory, browser string) error {
		store.backdate(browser)
		c, err := b.Open(t, with(browser))
		if err == nil {
			c.Close()
		}
		return err
	})
	siotest.Eventually(t, "the session is removed", func() bool { return !store.has(browser) })
}

// TestOptionsServer: a node that has had no sockets notifies the others if it knows
// its server.
func TestOptionsServer(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		store, cluster := newMemory(), &bus{}
		io := socket.NewServer(nil, cluster.options())
		o := &session.Options{Check: time.Hour}
		if known {
			o.Server = io
		}
		a := newManager(t, store, o)
		b := setup{options: cluster.options()}.serve(t, newManager(t, store, &session.Options{Check: time.Hour}))
		c, sess := b.join(t, siotest.Dial{})
		if n, _, err := destroy(t, a, given(t, c)); n != 0 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		if known {
			kicked(t, c, "session_expired")
		} else {
			c.NoPacket(t, 0)
			if err := sess.Reload(t.Context()); !errors.Is(err, session.ErrGone) {
				t.Errorf("Reload: %v", err)
			}
		}
		io.Close(nil)
	}
}

// TestForeignMessages: what is no message of ours is ignored.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	_, a, b := nodes(t, newMemory(), newMemory())
	a.join(t, siotest.Dial{})
	c, sess := b.join(t, siotest.Dial{})
	for _, args := range [][]any{{}, {1}, {1, 2}, {"x", "y"}, {nil, nil}, {string(sess.Room())}, {"", true}} {
		if err := a.IO.ServerSideEmit("sioware:session:sid", args...); err != nil {
			t.Error(err)
		}
	}
	c.Emit("sioware:session:sid", string(sess.Room()), false) // a client has no way to it
	if err := sess.Update(t.Context(), add); err != nil {
		t.Error(err)
	}
	if w := request(b.m, given(t, c), func(http.ResponseWriter, *http.Request) {}); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
	c.NoPacket(t, 50*time.Millisecond)
}
