package session_test

import (
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/zishang520/socket.io/v2/socket"
)

// deaf is an adapter that cannot notify other nodes: it hangs, or panics.
type deaf struct {
	socket.Adapter
	hold chan struct{}
}

func (d *deaf) ServerSideEmit([]any) error {
	if d.hold == nil {
		panic("no other nodes")
	}
	<-d.hold
	return nil
}

// TestAdapterHangs: a session ends on this node, sockets and all, whatever the adapter
// does that should notify the others.
func TestAdapterHangs(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]chan struct{}{"hangs": make(chan struct{}), "panics": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var once sync.Once
			release := func() {
				if hold != nil {
					once.Do(func() { close(hold) })
				}
			}
			t.Cleanup(release)
			o := socket.DefaultServerOptions()
			o.SetAdapter(adapters(func(nsp socket.Namespace) socket.Adapter {
				return &deaf{(&socket.AdapterBuilder{}).New(nsp), hold}
			}))
			store, log := newMemory(), new(journal)
			s := setup{options: o}.serve(t, newManager(t, store, &session.Options{Timeout: 200 * time.Millisecond, Logger: slog.New(log)}))
			c, _ := s.join(t, siotest.Dial{})
			ended := make(chan *httptest.ResponseRecorder, 1)
			go func() {
				w, err := renew(t, s.m, given(t, c), login)
				if err != nil {
					t.Error(err)
				}
				ended <- w
			}()
			kicked(t, c, "session_expired")
			browser := cookie(t, <-ended)
			c, _ = s.join(t, with(browser))
			if n, _, err := destroy(t, s.m, browser); n != 1 || err != nil {
				t.Errorf("put out %d, %v", n, err)
			}
			kicked(t, c, "session_expired")
			if store.has(browser) {
				t.Error("it is in the store")
			}
			if n := log.count("session: panic in the adapter"); name == "panics" && n != 2 || name != "panics" && n != 0 {
				t.Errorf("%d records of a panic", n)
			}
			release()
		})
	}
}

// TestAdapterSlow: the sockets of a session go without waiting for the adapter.
func TestAdapterSlow(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	o := socket.DefaultServerOptions()
	o.SetAdapter(adapters(func(nsp socket.Namespace) socket.Adapter {
		return &deaf{(&socket.AdapterBuilder{}).New(nsp), hold}
	}))
	s := setup{options: o}.serve(t, newManager(t, newMemory(), &session.Options{Timeout: time.Minute, Logger: quiet}))
	var ends sync.WaitGroup
	for _, end := range []func(browser string) error{
		func(browser string) error { _, err := renew(t, s.m, browser, login); return err },
		func(browser string) error { _, _, err := destroy(t, s.m, browser); return err },
	} {
		c, _ := s.join(t, siotest.Dial{})
		browser := given(t, c)
		ends.Go(func() {
			if err := end(browser); err != nil {
				t.Error(err)
			}
		})
		kicked(t, c, "session_expired")
	}
	release()
	ends.Wait()
}
