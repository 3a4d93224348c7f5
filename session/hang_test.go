package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/mark"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// TestHangs: a call that hangs holds up its session alone, and what it saves late
// overwrites nothing.
func TestHangs(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"new", "save"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			const timeout = 500 * time.Millisecond
			store := &tap{Store: newMemory()}
			s := serve(t, newManager(t, store, &session.Options{Timeout: timeout, Logger: quiet}))
			c, one := s.join(t, siotest.Dial{})
			_, two := s.join(t, siotest.Dial{})
			cookie := given(t, c)
			gate, hangs := make(chan struct{}), make(chan struct{}, 100)
			store.set(func(got, whose string, pass func() error) error {
				if got == op && whose == cookie {
					hangs <- struct{}{}
					<-gate
				}
				return pass()
			})
			release := sync.OnceFunc(func() { close(gate) })
			defer release()

			var wg sync.WaitGroup
			fail := func() {
				if err := one.Update(context.Background(), add); !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("Update: %v", err)
				}
			}
			wg.Go(fail)
			<-hangs
			for range 5 {
				wg.Go(fail)
			}
			if err := two.Update(t.Context(), add); err != nil {
				t.Errorf("another session: %v", err)
			}
			wg.Wait()
			began := time.Now()
			for range 10 {
				fail()
			}
			if err := one.Reload(t.Context()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Reload: %v", err)
			}
			if d := time.Since(began); d >= timeout {
				t.Errorf("those who come later wait for %v", d)
			}
			if len(hangs) != 0 {
				t.Errorf("%d more calls hang", len(hangs))
			}
			if op == "new" {
				turned(t, s.Server, with(cookie), http.StatusServiceUnavailable, "unavailable")
			}
			s.join(t, siotest.Dial{})
			c.NoPacket(t, 0)

			release()
			siotest.Eventually(t, "the session works again", func() bool {
				return one.Update(t.Context(), add) == nil
			})
			want := map[string]int{"new": 1, "save": 2}[op] // what was saved late is not undone
			if n, _ := count.Get(one); n != want {
				t.Errorf("count %d, want %d", n, want)
			}
			if err := one.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			if n, _ := count.Get(one); n != want {
				t.Errorf("the store has %d, want %d", n, want)
			}
		})
	}
}

// silent takes the place of the log for refused requests.
type silent struct{}

func (silent) Refused(error) {}

// TestAllHang: calls that hang do not pile up, and the Manager works when they return.
func TestAllHang(t *testing.T) {
	t.Parallel()
	store := &tap{Store: newMemory()}
	m := newManager(t, store, &session.Options{Timeout: 100 * time.Millisecond, Logger: quiet})
	gate := make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	store.set(func(_, _ string, pass func() error) error { <-gate; return pass() })
	for range 3 {
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				w := post("sid=x", "", func(w http.ResponseWriter, r *http.Request) {
					r = r.WithContext(context.WithValue(r.Context(), mark.ListenerKey{}, silent{}))
					m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") })).ServeHTTP(w, r)
				})
				told(t, w.Code, w.Body.Bytes(), http.StatusServiceUnavailable, "unavailable")
			})
		}
		wg.Wait()
	}
	if n := store.news.Load(); n != 256 {
		t.Errorf("%d calls were made", n)
	}
	release()
	siotest.Eventually(t, "the Manager works again", func() bool {
		return request(m, "sid=x", func(http.ResponseWriter, *http.Request) {}).Code == http.StatusOK
	})
}

// TestBarelyInTime: a call that returns at the moment when it is given up, and
// then one that hangs, do not release the lock twice.
func TestBarelyInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newMemory()
		_, cookie := plain(t, inner, "", func(map[any]any) {})
		var late atomic.Bool
		store := &rogue{Store: inner}
		store.save = func(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
			if late.Load() {
				<-r.Context().Done()
			}
			return inner.Save(r, w, s)
		}
		store.new = func(r *http.Request) (*sessions.Session, error) {
			if ends, ok := r.Context().Deadline(); ok && late.Load() {
				time.Sleep(time.Until(ends))
			}
			return inner.New(r, "sid")
		}
		m := newManager(t, store, &session.Options{NoTouch: true, Logger: quiet})
		var sess *session.Session
		request(m, cookie, func(_ http.ResponseWriter, r *http.Request) { sess, _ = m.FromContext(r.Context()) })
		late.Store(true)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("Update panicked: %v", p)
					}
				}()
				for range 1000 {
					_ = sess.Update(t.Context(), add)
					time.Sleep(time.Second) // by then, what was given up has returned
				}
			})
		}
		wg.Wait()
		late.Store(false)
		if err := sess.Update(t.Context(), add); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
