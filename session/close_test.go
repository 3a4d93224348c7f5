package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/session"
)

// renewal signs in, and is not looked at.
func renewal(ctx context.Context, m *session.Manager, cookie string) {
	post(cookie, "", func(w http.ResponseWriter, r *http.Request) { _ = m.Renew(ctx, w, r, nil) })
}

// TestCloseWaits: when Close has returned, nothing that had begun calls the store, even if
// it was given up.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	for _, given := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			inner := newMemory()
			store := &tap{Store: inner}
			m, err := session.New(store, "sid", &session.Options{Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			_, browser := plain(t, inner, "", func(v map[any]any) { v["user"] = "ada" })
			pass := make(chan struct{})
			var over atomic.Bool
			store.set(func(op, _ string, call func() error) error {
				if op == "save" {
					<-pass
					defer over.Store(true)
				}
				return call()
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go renewal(ctx, m, browser)
			synctest.Wait()
			if given {
				cancel()
				synctest.Wait()
			}
			for range 2 {
				go func() {
					if err := m.Close(t.Context()); err != nil || !over.Load() {
						t.Errorf("closed: %v, before the store was left: %t", err, !over.Load())
					}
				}()
			}
			synctest.Wait()
			close(pass)
			synctest.Wait()
		})
	}
}

// TestCloseHangs: a store that does not answer keeps nobody from closing.
func TestCloseHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &tap{Store: newMemory()}
		m, err := session.New(store, "sid", &session.Options{Logger: quiet, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		pass := make(chan struct{})
		defer close(pass)
		store.set(func(string, string, func() error) error { <-pass; return nil })
		go renewal(t.Context(), m, "sid=1")
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := m.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		began := time.Now()
		if err := m.Close(t.Context()); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("closed after %v: %v", time.Since(began), err)
		}
	})
}
