package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRecoveryAdmit: under Admit nobody gets the state of a session's socket by
// omitting its cookie.
func TestRecoveryAdmit(t *testing.T) {
	t.Parallel()
	recovery := new(siotest.Recovery)
	o := socket.DefaultServerOptions()
	r := &socket.ConnectionStateRecovery{}
	r.SetSkipMiddlewares(false)
	o.SetConnectionStateRecovery(r)
	o.SetAdapter(recovery)
	s := setup{options: o}.serve(t, newManager(t, newMemory(), &session.Options{Missing: session.Admit}))
	c := s.Dial(t, with(s.visit(t)))
	pid, _ := c.Connected(t).Data.(object)["pid"].(string)
	mine, _ := s.m.From(<-s.sockets)
	recovery.Lose(t, s.Server, c, pid)
	for _, cookie := range []string{"", "sid=x"} {
		d := with(cookie)
		d.Auth = object{"pid": pid, "offset": "0"}
		thief := s.Dial(t, d)
		p := thief.Next(t)
		if p.Type == siotest.TypeConnectError {
			if code(p.Data) != "forbidden" {
				t.Errorf("refused with %v", p.Data)
			}
			continue
		}
		so := <-s.sockets
		t.Errorf("admitted with cookie %q; recovered %v, in the room of the session %v", cookie, so.Recovered(), so.Rooms().Has(mine.Room()))
	}
}

// TestTouchSeldomChecked: a session that is used is prolonged also where Check is longer
// than what sessions live.
func TestTouchSeldomChecked(t *testing.T) {
	t.Parallel()
	const life = 2
	s := serve(t, newManager(t, shortLived(t, life), &session.Options{Check: time.Minute}))
	c, sess := s.join(t, siotest.Dial{})
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < (2*life)*time.Second {
		c.Emit("hello")
		<-tick.C
	}
	if err := sess.Reload(context.Background()); err != nil {
		t.Errorf("a session that is used has ended: %v", err)
	}
}

// TestCanceledUpdate: somebody who stops waiting for a call that is under way, as when
// a browser leaves a page, does not make others fail who wait for the session.
func TestCanceledUpdate(t *testing.T) {
	t.Parallel()
	store := &tap{Store: newMemory()}
	s := serve(t, newManager(t, store, &session.Options{Logger: quiet}))
	_, sess := s.join(t, siotest.Dial{})
	gate, under := make(chan struct{}), make(chan struct{}, 10)
	store.set(func(op, _ string, pass func() error) error {
		if op == "new" {
			under <- struct{}{}
			<-gate
		}
		return pass()
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sess.Update(ctx, add) })
	<-under
	second := make(chan error, 1)
	wg.Go(func() { second <- sess.Update(context.Background(), add) })
	cancel()
	select {
	case err := <-second:
		t.Errorf("who waited: %v", err)
	case <-time.After(200 * time.Millisecond): // of the 5 seconds that a call may take
	}
	close(gate)
	wg.Wait()
}

// TestLateSave: a Save on B that was given up, and that the store does after A has
// destroyed the session, does not bring it back.
func TestLateSave(t *testing.T) {
	t.Parallel()
	store := newMemory()
	slow := &tap{Store: store}
	cluster := &bus{}
	a := setup{options: cluster.options()}.serve(t, newManager(t, store, nil))
	b := setup{options: cluster.options()}.serve(t, newManager(t, slow, &session.Options{Timeout: 50 * time.Millisecond, Logger: quiet}))
	first, _ := a.join(t, siotest.Dial{})
	browser := given(t, first)
	c, sess := b.join(t, with(browser))
	gate := make(chan struct{})
	var once sync.Once
	saved := make(chan struct{})
	slow.set(func(op, _ string, pass func() error) error {
		if op == "save" {
			<-gate
			defer once.Do(func() { close(saved) })
		}
		return pass()
	})
	if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Update: %v", err)
	}
	if n, _, err := destroy(t, a.m, browser); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	kicked(t, c, "session_expired")
	close(gate)
	<-saved
	siotest.Eventually(t, "the session is removed", func() bool { return !store.has(browser) })
}

// TestRenewHangs: when the last call of Renew is given up, the browser still has a
// session: the new one or, after an error, the old one.
func TestRenewHangs(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	m := newManager(t, store, &session.Options{Timeout: 50 * time.Millisecond, Logger: quiet})
	old := visit(t, m)
	gate, late := make(chan struct{}), make(chan struct{})
	store.set(func(op, whose string, pass func() error) error {
		if op == "save" && whose == old {
			<-gate
			defer close(late)
		}
		return pass()
	})
	w, err := renew(t, m, old, login)
	close(gate)
	<-late
	has := old
	if err == nil {
		has = cookie(t, w)
	}
	if !inner.has(has) {
		t.Errorf("the browser has no session, and was told %v", err)
	}
}

// TestGoneAfterClose: if Reload finds that a session has ended, its sockets are
// disconnected even when the Manager has been closed.
func TestGoneAfterClose(t *testing.T) {
	t.Parallel()
	store := newMemory()
	m, err := session.New(store, "sid", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, m)
	c, sess := s.join(t, siotest.Dial{})
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	plainDestroy(store)
	if err := sess.Reload(t.Context()); !errors.Is(err, session.ErrGone) {
		t.Errorf("Reload: %v", err)
	}
	kicked(t, c, "session_expired")
}

// TestRenewAnswerLost: whatever the store has done without saying so, the browser has a
// session that holds what the old one did.
func TestRenewAnswerLost(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	m := newManager(t, store, &session.Options{Logger: quiet})
	for nth, calls := 1, 1; calls >= nth-1; nth++ { // until there is no such call
		_, cookie := plain(t, inner, "", func(values map[any]any) { values["cart"] = "full" })
		calls = 0
		store.set(func(_, _ string, pass func() error) error {
			err := pass()
			if calls++; calls == nth { // by one goroutine at a time
				return errSecret
			}
			return err
		})
		w, err := renew(t, m, cookie, login)
		store.set(nil)
		if err == nil {
			cookie = "sid=" + w.Result().Cookies()[0].Value
		}
		if seen, _ := plain(t, inner, cookie, nil); seen.IsNew || seen.Values["cart"] != "full" {
			t.Errorf("call %d: %v; the session has %v", nth, err, seen.Values)
		}
	}
}
