package jwks_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

func TestFirstFetchIsThatOfTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{body: keySet(a)}
		s := overNetwork(t, n, jwks.Options{})
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		pass(48 * time.Hour)
		for _, alg := range []string{"", "none", "HS256", "RS1", "eddsa"} {
			finds(t, s, jwtauth.Unverified{Algorithm: alg, KeyID: a.KeyID()})
		}
		if got := n.count(); got != 0 {
			t.Errorf("%d fetches before any token that could be good", got)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { finds(t, s, by(a), a) })
		}
		wg.Wait()
		if got := n.count(); got != 1 {
			t.Errorf("%d fetches for 100 first tokens, want 1", got)
		}
	})
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "ES256")
		n := &network{body: keySet(a)}
		s := overNetwork(t, n, jwks.Options{})
		finds(t, s, by(a), a)
		n.serve(b)

		pass(54*time.Minute - time.Second)
		finds(t, s, by(a), a) // still in use
		if got := n.count(); got != 1 {
			t.Errorf("%d fetches before the refresh is due", got)
		}
		pass(6*time.Minute + time.Second)
		finds(t, s, by(b), b)
		if got := n.count(); got != 2 {
			t.Errorf("%d fetches, want the refresh after an hour at most", got)
		}
		finds(t, s, by(a)) // revoked: it does not survive; this is the fetch for an unknown key
		finds(t, s, by(a))
		if got := n.count(); got != 3 {
			t.Errorf("%d fetches, want 3", got)
		}
	})
}

func TestUnknownKeysShareOneFetchPerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{body: keySet(a)}
		s := overNetwork(t, n, jwks.Options{})
		finds(t, s, by(a), a)
		for window := 1; window <= 5; window++ {
			start := time.Now()
			var wg sync.WaitGroup
			for i := range 2000 {
				wg.Go(func() { finds(t, s, unknown(strconv.Itoa(i))) })
			}
			wg.Wait()
			if got := n.count(); got != 1+window {
				t.Fatalf("window %d: %d fetches for 2000 unknown keys, want 1", window, got-window)
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("window %d: unknown keys waited %v", window, d)
			}
			pass(time.Minute)
		}
		finds(t, s, unknown("spends the window"))
		n.serve(a, b)
		finds(t, s, by(b))
		pass(time.Minute)
		finds(t, s, by(b), b)
	})
}

func TestKnownKeysDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{body: keySet(a)}
		s := overNetwork(t, n, jwks.Options{})
		finds(t, s, by(a), a)
		n.set(func() { n.hang = make(chan struct{}) })
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if err := fails(t, s, unknown(strconv.Itoa(i))); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				if d := time.Since(start); d != 10*time.Second {
					t.Errorf("waited %v for the fetch", d)
				}
			})
		}
		synctest.Wait() // all wait for the fetch
		for range 200 {
			finds(t, s, by(a), a)
			finds(t, s, jwtauth.Unverified{Algorithm: "ES256", KeyID: a.KeyID()}) // known, but not for this
			finds(t, s, jwtauth.Unverified{Algorithm: "EdDSA"}, a)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("known keys waited %v", d)
		}
		if got := n.count(); got != 2 {
			t.Errorf("%d fetches, want 2", got)
		}
		wg.Wait()

		// The server hangs on, but whoever asks next hears of it at once.
		pass(5 * time.Second)
		start = time.Now()
		fails(t, s, unknown("next"))
		finds(t, s, by(a), a)
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %v", d)
		}
	})
}

func TestNoSetYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{err: errDown}
		s := overNetwork(t, n, jwks.Options{})
		start := time.Now()
		var at []time.Duration
		for seen := 0; len(at) < 9; pass(50 * time.Millisecond) {
			for range 3 {
				if err := fails(t, s, by(a)); !errors.Is(err, errDown) {
					t.Fatal(err)
				}
			}
			if c := n.count(); c != seen {
				seen, at = c, append(at, time.Since(start))
			}
		}
		for i, pause := range []time.Duration{5, 10, 20, 40, 60, 60, 60, 60} {
			pause *= time.Second
			if d := at[i+1] - at[i]; d < pause*9/10-100*time.Millisecond || d > pause+100*time.Millisecond {
				t.Errorf("pause %d: %v, want %v less a tenth at most", i+1, d, pause)
			}
		}
		n.serve(a)
		pass(time.Minute)
		finds(t, s, by(a), a)
	})
}

func TestFirstFetchHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{body: keySet(a), hang: make(chan struct{})}
		s := overNetwork(t, n, jwks.Options{})

		// Callers wait no longer than their context, and do not take the fetch along.
		for _, patience := range []time.Duration{0, time.Second, 2 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			start := time.Now()
			_, err := s.Find(ctx, by(a))
			if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != patience {
				t.Errorf("%v after %v, want a deadline after %v", err, d, patience)
			}
			cancel()
		}
		close(n.hang)
		synctest.Wait()
		finds(t, s, by(a), a)
		if got := n.count(); got != 1 {
			t.Errorf("%d fetches, want 1", got)
		}
	})
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{body: keySet(a)}
		logger, text := logs()
		s := overNetwork(t, n, jwks.Options{Logger: logger})
		finds(t, s, by(a), a)
		n.set(func() { n.err = errDown })
		pass(time.Hour)
		n.set(func() { n.err, n.body = nil, `{"error":"maintenance"}` })
		for range 22 {
			pass(time.Hour)
			finds(t, s, by(a), a)
			fails(t, s, by(b)) // maybe it is new: who knows
		}
		if !strings.Contains(text(), "not refreshed") {
			t.Errorf("the outage is not in the log:\n%s", text())
		}
		if got := n.count(); got > 24*60*60/54+10 {
			t.Errorf("%d fetches in 23 hours", got)
		}
		pass(time.Hour - time.Second)
		finds(t, s, by(a), a)
		pass(time.Second)
		fails(t, s, by(a)) // MaxStale is over
		if !strings.Contains(text(), "too old") {
			t.Errorf("the end is not in the log")
		}
		n.serve(b)
		pass(time.Minute)
		finds(t, s, by(b), b)
		finds(t, s, by(a))
	})
}

func TestPanicOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{body: keySet(a), panics: true}
		logger, log := logs()
		s := overNetwork(t, n, jwks.Options{Logger: logger})
		if err := fails(t, s, by(a)); !strings.Contains(err.Error(), "boom") {
			t.Error(err)
		}
		if text := log(); !strings.Contains(text, "RoundTrip") {
			t.Errorf("the log does not say where: %s", text)
		}
		n.set(func() { n.panics = false })
		pass(5 * time.Second)
		finds(t, s, by(a), a)
	})
}

func TestIssuersShareNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "EdDSA")
		// The key of B has the name of A's.
		forged := strings.ReplaceAll(keySet(b), b.KeyID(), a.KeyID())
		keys := jwtauth.Issuers(map[string]jwtauth.Keys{
			"https://a.example": overNetwork(t, &network{body: keySet(a)}, jwks.Options{}),
			"https://b.example": overNetwork(t, &network{body: forged}, jwks.Options{}),
		})
		if err := keys.Check(); err != nil {
			t.Fatal(err)
		}
		h := by(a)
		for range 2 { // empty and full cache
			h.Issuer = "https://a.example"
			finds(t, keys, h, a)
			h.Issuer = "https://b.example"
			finds(t, keys, h, b)
			h.Issuer = "https://c.example"
			finds(t, keys, h)
		}
	})
}
