package session_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// TestRenewOnTwoNodes: if a session is renewed on two nodes at once, both calls succeed, as
// they do on one node. The second new session has nothing of the old one.
func TestRenewOnTwoNodes(t *testing.T) {
	t.Parallel()
	store := newMemory()
	slow := &tap{Store: store}
	_, a, b := nodes(t, slow, store)
	first, _ := a.join(t, siotest.Dial{}) // so that the Managers know their servers
	b.join(t, siotest.Dial{})
	browser := given(t, first)
	_, mine := a.join(t, with(browser))
	if err := mine.Update(t.Context(), func(values map[any]any) error { values["cart"] = "full"; return nil }); err != nil {
		t.Fatal(err)
	}

	saving, proceed := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	slow.set(func(op, _ string, pass func() error) error {
		if op == "save" && once.CompareAndSwap(false, true) {
			close(saving)
			<-proceed
		}
		return pass()
	})
	var late sync.WaitGroup
	var now string
	late.Go(func() {
		w, err := renew(t, a.m, browser, login)
		if err != nil {
			t.Errorf("Renew on A: %v", err)
			return
		}
		now = cookie(t, w)
	})
	<-saving
	w, err := renew(t, b.m, browser, login)
	if err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "A has heard", func() bool {
		_, err := mine.Renew(nil)
		return errors.Is(err, session.ErrGone)
	})
	close(proceed)
	late.Wait()

	_, sess := b.join(t, with(cookie(t, w)))
	has(t, "B", sess, "ada")
	if cart, _ := sess.Get("cart"); cart != "full" {
		t.Errorf("the first has cart %v", cart)
	}
	if now == "" {
		return
	}
	_, sess = a.join(t, with(now))
	has(t, "A", sess, "ada")
	if cart, ok := sess.Get("cart"); ok {
		t.Errorf("the second has cart %v", cart)
	}
	if n := store.len(); n != 3 { // and that of B's first client
		t.Errorf("%d sessions in the store", n)
	}
}
