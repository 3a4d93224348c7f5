package session_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/zishang520/socket.io/v2/socket"
)

const often = 100 * time.Millisecond

// TestEndsInStore: a session that the store has lost ends at the next look at it.
func TestEndsInStore(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := serve(t, newManager(t, sessions.NewFilesystemStore(dir, secret), &session.Options{Check: often}))
		c, sess := s.join(t, siotest.Dial{})
		found, err := filepath.Glob(filepath.Join(dir, "session_*"))
		if len(found) != 1 || err != nil {
			t.Fatal(found, err)
		}
		if err := os.Remove(found[0]); err != nil {
			t.Fatal(err)
		}
		kicked(t, c, "session_expired")
		if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrGone) {
			t.Errorf("Update: %v", err)
		}
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		store := openRedis(t, server.Addr, redistore.GobSerializer{}, maxAge)
		s := serve(t, newManager(t, store, &session.Options{Check: often}))
		c, sess := s.join(t, siotest.Dial{Polling: true})
		if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		kicked(t, c, "session_expired")
		if err := sess.Reload(t.Context()); !errors.Is(err, session.ErrGone) {
			t.Errorf("Reload: %v", err)
		}
	})
	t.Run("noticed by Update", func(t *testing.T) {
		t.Parallel()
		store := newMemory()
		s := serve(t, newManager(t, store, nil))
		c, sess := s.join(t, siotest.Dial{})
		plainDestroy(store)
		if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrGone) {
			t.Errorf("Update: %v", err)
		}
		kicked(t, c, "session_expired")
	})
}

func plainDestroy(m *memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.all)
}

// TestOneLook: a session is looked at once for all of its sockets.
func TestOneLook(t *testing.T) {
	t.Parallel()
	const conns, namespaces = 25, 40
	store := &tap{Store: newMemory()}
	m := newManager(t, store, &session.Options{Check: often})
	s := setup{also: func(io *socket.Server) {
		for i := range namespaces - 1 {
			io.Of(fmt.Sprintf("/n%d", i), nil)
		}
	}}.serve(t, m)
	browser := s.visit(t)
	clients := make([]*siotest.Client, conns)
	names := []string{"/"}
	for j := range namespaces - 1 {
		names = append(names, fmt.Sprintf("/n%d", j))
	}
	for i := range clients {
		clients[i], _ = s.join(t, with(browser))
		for _, name := range names[1:] {
			clients[i].Connect(name, nil)
			clients[i].Connected(t)
		}
	}
	began, before := time.Now(), store.news.Load()
	siotest.Eventually(t, "ten looks", func() bool { return store.news.Load() >= before+10 })
	looks, most := store.news.Load()-before, int64(time.Since(began)/(often*9/10))+2
	if looks > most {
		t.Errorf("%d looks, at most %d were due", looks, most)
	}
	n, _, err := destroy(t, m, browser)
	if n != conns*namespaces || err != nil {
		t.Errorf("%d sockets, %v", n, err)
	}
	for _, c := range clients {
		out(t, c, "session_expired", names...)
	}
	after := store.news.Load()
	other, _ := s.join(t, siotest.Dial{})
	other.NoPacket(t, 3*often)
	if n := store.news.Load() - after; n > 5 { // of the other session
		t.Errorf("%d looks at a session that has ended", n)
	}
}

// TestOutage: a store that is away for a while ends no session.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errSecret },
		"panic": func() error { panic(errSecret) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &tap{Store: newMemory()}
			s := serve(t, newManager(t, store, &session.Options{Check: often, Logger: quiet}))
			c, sess := s.join(t, siotest.Dial{})
			if err := sess.Update(t.Context(), add); err != nil {
				t.Fatal(err)
			}
			store.set(func(string, string, func() error) error { return fail() })
			before := store.news.Load()
			siotest.Eventually(t, "several looks", func() bool { return store.news.Load() >= before+5 })
			if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Update: %v", err)
			}
			if n, _ := count.Get(sess); n != 1 {
				t.Errorf("count %d", n)
			}
			c.Connect("/other", nil) // of the same session, which has been looked at before
			c.Connected(t)
			store.set(nil)
			if err := sess.Update(t.Context(), add); err != nil {
				t.Errorf("Update: %v", err)
			}
			c.NoPacket(t, 0)
		})
	}
}

// TestRedisAway: as TestOutage, with a server that ends and comes back.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	proxy := redistest.NewProxy(t, server.Addr)
	store := &tap{Store: openRedis(t, proxy.Addr, redistore.GobSerializer{}, maxAge)}
	s := serve(t, newManager(t, store, &session.Options{Check: often, Timeout: 500 * time.Millisecond, Logger: quiet}))
	c, sess := s.join(t, siotest.Dial{})
	proxy.Cut()
	before := store.news.Load()
	siotest.Eventually(t, "several looks", func() bool { return store.news.Load() >= before+3 })
	turned(t, s.Server, siotest.Dial{}, 503, "unavailable")
	proxy.Restore()
	siotest.Eventually(t, "Redis is back", func() bool { return sess.Update(t.Context(), add) == nil })
	proxy.Hang()
	if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Update: %v", err)
	}
	turned(t, s.Server, siotest.Dial{}, 503, "unavailable")
	proxy.Cut() // what hangs returns
	proxy.Restore()
	siotest.Eventually(t, "Redis answers", func() bool { return sess.Update(t.Context(), add) == nil })
	c.NoPacket(t, 0)
}

// TestTouch: a session lives as long as its clients use it, and is saved for that as
// seldom as it can be.
func TestTouch(t *testing.T) {
	t.Parallel()
	const life = 4 // seconds
	server := redistest.Start(t)
	keys := server.Client(t)
	for name, open := range map[string]func(t *testing.T) sessions.Store{
		"files": func(t *testing.T) sessions.Store { return shortLived(t, life) },
		"redis": func(t *testing.T) sessions.Store {
			return openRedis(t, server.Addr, redistore.JSONSerializer{}, life)
		},
	} {
		for _, noTouch := range []bool{false, true} {
			if noTouch && name == "files" {
				continue // it takes its time
			}
			t.Run(fmt.Sprint(name, noTouch), func(t *testing.T) {
				t.Parallel()
				store := &tap{Store: open(t)}
				s := serve(t, newManager(t, store, &session.Options{Check: often, NoTouch: noTouch}))
				idle, _ := s.join(t, siotest.Dial{})
				c, sess := s.join(t, siotest.Dial{})
				began, before := time.Now(), store.saves.Load()
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for time.Since(began) < (life+2)*time.Second && sess.Reload(context.Background()) == nil {
					c.Emit("hello")
					<-tick.C
				}
				age, saves := time.Since(began), store.saves.Load()-before
				kicked(t, idle, "session_expired")
				if noTouch {
					if saves != 0 || age >= (life+2)*time.Second {
						t.Errorf("%d saves, alive after %v", saves, age)
					}
					kicked(t, c, "session_expired")
					return
				}
				if age < (life+2)*time.Second || saves < 2 || saves > life+2+1 {
					t.Errorf("%d saves in %v", saves, age)
				}
				if name == "redis" {
					id, _ := plain(t, store, given(t, c), nil) // its cookie may be too old
					for _, key := range keys.Keys(t.Context(), "session_"+id.ID+"*").Val() {
						if ttl := keys.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > life*time.Second {
							t.Errorf("%s: TTL %v", strings.ToLower(key), ttl)
						}
					}
				}
			})
		}
	}
}
