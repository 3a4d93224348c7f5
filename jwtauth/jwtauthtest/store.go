package jwtauthtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// TestStore tests a [jwtauth.Store] against its documentation; a failure quotes
// the sentence. For each case, in tests that run in parallel, it calls open to
// get two nodes of one store: values that share what they remember, as in two
// processes. For a store for one process it returns one value twice. It must have
// t.Cleanup close what it opens. The store need not be empty.
//
//	func TestStore(t *testing.T) {
//		jwtauthtest.TestStore(t, func(t *testing.T) (a, b jwtauth.Store) {
//			s := mystore.New()
//			return s, s
//		})
//	}
func TestStore(t *testing.T, open func(t *testing.T) (a, b jwtauth.Store)) {
	for _, c := range slices.Concat(revocationCases, loginCases, refreshCases, watchCases) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			c.run(&storeKit{
				T:    t,
				a:    a,
				b:    b,
				says: c.says,
				now:  time.Now().Truncate(time.Second),
				tag:  rand.Text() + "-",
			})
		})
	}
}

// storeCase is a sentence of the documentation, and the test for it.
type storeCase struct {
	name, says string
	run        func(k *storeKit)
}

// patience is how long the tests wait for what must happen.
const patience = 20 * time.Second

// storeKit is what a case works with.
type storeKit struct {
	*testing.T
	a, b jwtauth.Store
	says string
	now  time.Time // in whole seconds, as most times of issue are
	tag  string    // separates what this case uses from all else in the store

	mu    sync.Mutex
	calls int
}

// node returns the two nodes in turn, so that each case runs on both.
func (k *storeKit) node() jwtauth.Store {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.calls++; k.calls%2 == 0 {
		return k.b
	}
	return k.a
}

// fail reports an error with the sentence that is broken.
func (k *storeKit) fail(format string, args ...any) {
	k.Helper()
	k.Errorf("%s\nthe contract: %q", fmt.Sprintf(format, args...), k.says)
}

// login returns a login of this case's user, issued at a time relative to the
// start, with a token of its own.
func (k *storeKit) login(p jwtauth.LoginPolicy, name string, issued time.Duration) jwtauth.Login {
	return jwtauth.Login{
		ID:        k.tag + "id of " + name,
		Issuer:    "https://issuer.example",
		Subject:   k.subject(),
		Name:      k.tag + name,
		IssuedAt:  k.now.Add(issued),
		ExpiresAt: k.now.Add(time.Hour),
		Until:     k.now.Add(time.Hour),
		Policy:    p,
	}
}

func (k *storeKit) subject() string { return k.tag + "user" }

func (k *storeKit) verdict(l jwtauth.Login) jwtauth.Verdict {
	k.Helper()
	v, err := k.node().Admit(k.Context(), l)
	if err != nil {
		k.Fatalf("Admit: %v", err)
	}
	return v
}

// admit checks the verdict on l.
func (k *storeKit) admit(what string, l jwtauth.Login, want jwtauth.Verdict) {
	k.Helper()
	if got := k.verdict(l); got != want {
		k.fail("%s: %s, want %s", what, verdicts[got], verdicts[want])
	}
}

var verdicts = map[jwtauth.Verdict]string{
	jwtauth.Admitted: "Admitted",
	jwtauth.Revoked:  "Revoked",
	jwtauth.Replaced: "Replaced",
	jwtauth.Occupied: "Occupied",
}

func (k *storeKit) revoke(r jwtauth.Revocation) {
	k.Helper()
	if err := k.node().Revoke(k.Context(), r); err != nil {
		k.Fatalf("Revoke: %v", err)
	}
}

// until returns r with the given Until.
func until(r jwtauth.Revocation, t time.Time) jwtauth.Revocation {
	r.Until = t
	return r
}

// soon is a time that is short to wait for, but long enough for a few calls.
func soon() time.Time { return time.Now().Add(400 * time.Millisecond) }

// holdsUntil checks that the verdict on l is held, as long as end has not come by
// the time it is known, and then becomes then.
func (k *storeKit) holdsUntil(end time.Time, l jwtauth.Login, held, then jwtauth.Verdict) {
	k.Helper()
	if got := k.verdict(l); got != held && time.Now().Before(end) {
		k.fail("before the end: %s, want %s", verdicts[got], verdicts[held])
	}
	select {
	case <-time.After(time.Until(end)):
	case <-k.Context().Done():
	}
	// A store may have a clock of its own, but must not wait for a cleanup.
	var got jwtauth.Verdict
	if !k.within(3*time.Second, func() bool { got = k.verdict(l); return got == then }) {
		k.fail("after the end: %s, want %s", verdicts[got], verdicts[then])
	}
}

// eventually waits for f to hold.
func (k *storeKit) eventually(f func() bool) bool { return k.within(patience, f) }

func (k *storeKit) within(d time.Duration, f func() bool) bool {
	ctx, cancel := context.WithTimeout(k.Context(), d)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// odd are strings that a store might confuse with each other, or fail to keep.
var odd = []string{
	" ", "\x00", "\x00\x00", "{", "}", "{}", "{a}", "a{b}c", "a:b", "a|b", "*", "\\", "'", `"`,
	"\r\n", "\r\n$1\r\n", "%s%n", "..", "\xff\xfe", "\xc3\x28", "\ufffd", "ä", "a\u0308",
	"A", "a", string(make([]byte, 1<<20)), string(make([]byte, 1<<20+1)),
}
