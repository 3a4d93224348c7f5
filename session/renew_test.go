package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

const user = session.Key[string]("user")

func login(values map[any]any) error {
	user.Set(values, "ada")
	return nil
}

// TestRenew: a sign-in gives a new ID, which somebody who planted the old one never has.
func TestRenew(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		store := k.open(t)
		s := serve(t, newManager(t, store, nil))
		_, old := plain(t, store, "", func(values map[any]any) { values["cart"] = "full" })
		c, planted := s.join(t, as(d, old)) // that of the attacker, with the same cookie
		w, err := renew(t, s.m, old, login)
		if err != nil {
			t.Fatal(err)
		}
		fresh := cookie(t, w)
		if n := len(w.Result().Cookies()); n != 1 || fresh == old {
			t.Errorf("%d cookies", n)
		}
		if data := kicked(t, c, "session_expired"); data["retryAfterMs"] != 1000.0 || data["retryable"] != true {
			t.Errorf("kicked with %v", data)
		}
		if err := planted.Reload(t.Context()); !errors.Is(err, session.ErrGone) {
			t.Errorf("Reload: %v", err)
		}
		if name, ok := user.Get(planted); ok {
			t.Errorf("the old session has user %q", name)
		}
		if seen, _ := plain(t, store, old, nil); !k.readOnly && !seen.IsNew || seen.Values["user"] != nil {
			t.Errorf("the old session is in the store: %v", seen.Values)
		}
		_, sess := s.join(t, as(d, fresh))
		cart, _ := sess.Get("cart")
		if name, _ := user.Get(sess); name != "ada" || cart != "full" || sess.Room() == planted.Room() {
			t.Errorf("user %q, cart %v", name, cart)
		}
		turned(t, s.Server, as(d, old), http.StatusUnauthorized, "session_expired") // its browser has the new one by now
	})
}

// TestRenewNobody: a client without a session gets one, whatever cookie comes.
func TestRenewNobody(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, &session.Options{Missing: session.Refuse}))
	ended := s.visit(t)
	if _, _, err := destroy(t, s.m, ended); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"", "sid=PLANTED", ended} {
		w, err := renew(t, s.m, old, login)
		if err != nil {
			t.Errorf("%q: %v", old, err)
			continue
		}
		if fresh := cookie(t, w); fresh == old {
			t.Error("the cookie was kept")
		}
		_, sess := s.join(t, with(cookie(t, w)))
		if name, _ := user.Get(sess); name != "ada" {
			t.Errorf("user %q", name)
		}
	}
	if w, err := renew(t, s.m, "", func(map[any]any) error { return errSecret }); !errors.Is(err, errSecret) || len(w.Header()) != 0 {
		t.Errorf("got %v, %v", err, w.Header())
	}
}

// TestRenewFails: whichever call of the store fails, nothing has changed.
func TestRenewFails(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	s := serve(t, newManager(t, store, &session.Options{Logger: quiet}))
	_, old := plain(t, inner, "", func(values map[any]any) { values["cart"] = "full" })
	c, sess := s.join(t, with(old))
	same := func() {
		t.Helper()
		if seen, _ := plain(t, inner, old, nil); seen.IsNew || seen.Values["cart"] != "full" || seen.Values["user"] != nil {
			t.Errorf("the session has %v", seen.Values)
		}
		if n := inner.len(); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if err := sess.Reload(t.Context()); err != nil {
			t.Errorf("Reload: %v", err)
		}
		c.NoPacket(t, 0)
	}
	w, err := renew(t, s.m, old, func(values map[any]any) error {
		values["cart"] = "empty"
		return errSecret
	})
	if !errors.Is(err, errSecret) || len(w.Header()) != 0 {
		t.Errorf("got %v, %v", err, w.Header())
	}
	same()
	fail := func(nth int) (calls int) {
		store.set(func(_, _ string, pass func() error) error {
			if calls++; calls == nth { // by one goroutine at a time
				return errSecret
			}
			return pass()
		})
		defer store.set(nil)
		if w, err = renew(t, s.m, old, login); err != nil {
			if !errors.Is(err, session.ErrUnavailable) || len(w.Header()) != 0 {
				t.Errorf("call %d: %v, %v", nth, err, w.Header())
			}
		}
		return calls
	}
	for nth := 1; ; nth++ {
		if calls := fail(nth); calls < nth {
			if err != nil || nth < 5 {
				t.Errorf("%d calls, %v", calls, err)
			}
			break
		}
		same()
	}
	kicked(t, c, "session_expired")
	if n := inner.len(); n != 1 || inner.has(old) {
		t.Errorf("%d sessions", n)
	}
}

// TestClaim: a ticket is good once, for its browser and nobody else.
func TestClaim(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, &session.Options{Origins: []string{"https://app.example"}}))
	browser, stranger := s.visit(t), s.visit(t)
	c, sess := s.join(t, with(browser))
	void, _ := sess.Renew(func(map[any]any) error { t.Error("a void ticket"); return nil })
	ticket, err := sess.Renew(login)
	if err != nil || ticket == void {
		t.Fatal(ticket, err)
	}
	claim := func(cookie, body, origin string) (int, []byte) {
		w := post(cookie, body, func(w http.ResponseWriter, r *http.Request) {
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			s.m.Claim(w, r)
		})
		if w.Code != http.StatusNoContent && w.Header().Get("Set-Cookie") != "" {
			t.Errorf("Set-Cookie: %s", w.Header())
		}
		return w.Code, w.Body.Bytes()
	}
	for name, try := range map[string]struct {
		cookie, body, origin string
		status               int
		code                 string
	}{
		"second makes the first void": {browser, void, "", 403, "forbidden"},
		"of another browser":          {stranger, ticket, "", 403, "forbidden"},
		"without cookie":              {"", ticket, "", 401, "session_missing"},
		"forged cookie":               {"sid=x", ticket, "", 401, "session_expired"},
		"no ticket":                   {browser, "", "", 403, "forbidden"},
		"wrong ticket":                {browser, strings.Repeat("A", len(ticket)), "", 403, "forbidden"},
		"too long":                    {browser, ticket + strings.Repeat(" ", 256), "", 403, "forbidden"},
		"foreign page":                {browser, ticket, "https://evil.example", 403, "origin_denied"},
		"sandboxed page":              {browser, ticket, "null", 403, "origin_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := claim(try.cookie, try.body, try.origin)
			told(t, status, body, try.status, try.code)
		})
	}
	w := httptest.NewRecorder()
	s.m.Claim(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d %v", w.Code, w.Header())
	}
	c.NoPacket(t, 0)
	if status, body := claim(browser, ticket, "https://app.example"); status != http.StatusNoContent {
		t.Errorf("got %d %s", status, body)
	}
	kicked(t, c, "session_expired")
	status, body := claim(browser, ticket, "")
	told(t, status, body, http.StatusUnauthorized, "session_expired") // it leads nowhere
}

// TestClaimFails: the client gets the error of the change, and that uses the ticket up.
func TestClaimFails(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, &session.Options{Logger: quiet}))
	browser := s.visit(t)
	c, sess := s.join(t, with(browser))
	for i, change := range []func(map[any]any) error{
		func(map[any]any) error { return errSecret },
		func(map[any]any) error { return nil },
	} {
		ticket, _ := sess.Renew(change)
		for again := range 2 {
			w := post(browser, ticket, s.m.Claim)
			switch {
			case i == 1 && again == 0:
				if w.Code != http.StatusNoContent {
					t.Errorf("got %d", w.Code)
				}
			case i == 1:
				told(t, w.Code, w.Body.Bytes(), http.StatusUnauthorized, "session_expired")
			case again == 0:
				told(t, w.Code, w.Body.Bytes(), http.StatusInternalServerError, "internal")
			default:
				told(t, w.Code, w.Body.Bytes(), http.StatusForbidden, "forbidden")
			}
		}
	}
	kicked(t, c, "session_expired")
}

// TestTicketEnds: a ticket is good for 30 seconds.
func TestTicketEnds(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]int{29 * time.Second: 204, 31 * time.Second: 403} {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory()
			m := newManager(t, store, nil)
			browser := visit(t, m)
			var ticket string
			request(m, browser, func(_ http.ResponseWriter, r *http.Request) {
				sess, _ := m.FromContext(r.Context())
				ticket, _ = sess.Renew(nil)
			})
			time.Sleep(after)
			if w := post(browser, ticket, m.Claim); w.Code != want {
				t.Errorf("after %v: %d %s", after, w.Code, w.Body)
			}
		})
	}
}

// TestManyTickets: sessions that never claim their tickets fill no memory for good.
func TestManyTickets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		m := newManager(t, store, nil)
		issue := func(i int) error {
			id := fmt.Sprint("session", i)
			store.all[id] = nil
			var err error
			request(m, "sid="+id, func(_ http.ResponseWriter, r *http.Request) {
				sess, _ := m.FromContext(r.Context())
				_, err = sess.Renew(nil)
			})
			return err
		}
		var issued int
		for i := range 20_000 {
			err := issue(i)
			if err == nil {
				issued++
			} else if !errors.Is(err, session.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if issued != 1<<14 {
			t.Errorf("%d tickets", issued)
		}
		if err := issue(0); err != nil { // has one, which is void now
			t.Error(err)
		}
		time.Sleep(31 * time.Second)
		for i := range 1 << 14 {
			if err := issue(20_000 + i); err != nil {
				t.Fatal(i, err)
			}
		}
	})
}
