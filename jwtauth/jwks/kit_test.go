package jwks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

// network is an http.RoundTripper without sockets, for bubbles of synctest.
type network struct {
	mu      sync.Mutex
	body    string
	err     error
	panics  bool
	hang    chan struct{} // requests wait for it, or for their context
	deaf    bool          // for it alone
	fetches int
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.fetches++
	hang, deaf := n.hang, n.deaf
	n.mu.Unlock()
	if hang != nil {
		left := r.Context().Done()
		if deaf {
			left = nil
		}
		select {
		case <-hang:
		case <-left:
			return nil, r.Context().Err()
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.panics {
		panic("boom")
	}
	if n.err != nil {
		return nil, n.err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(n.body)),
	}, nil
}

func (n *network) set(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (n *network) serve(signers ...*jwtauthtest.Signer) {
	n.set(func() { n.body, n.err = keySet(signers...), nil })
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fetches
}

func keySet(signers ...*jwtauthtest.Signer) string {
	var keys []string
	for _, s := range signers {
		keys = append(keys, s.JWK())
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

var errDown = errors.New("connection refused")

const address = "https://id.example.com/keys"

// newSet returns a Set that closes with the test.
func newSet(t testing.TB, url string, opts jwks.Options) *jwks.Set {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := jwks.New(url, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// overNetwork is newSet on n.
func overNetwork(t testing.TB, n *network, opts jwks.Options) *jwks.Set {
	t.Helper()
	opts.Client = &http.Client{Transport: n}
	return newSet(t, address, opts)
}

// logs returns a logger and what it has got so far.
func logs() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var b bytes.Buffer
	l := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return l, func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// by returns what a token of s says about itself; its alg must be EdDSA or ES256.
func by(s *jwtauthtest.Signer) jwtauth.Unverified {
	var jwk struct{ Kty string }
	if err := json.Unmarshal([]byte(s.JWK()), &jwk); err != nil {
		panic(err)
	}
	alg := map[string]string{"OKP": "EdDSA", "EC": "ES256"}[jwk.Kty]
	return jwtauth.Unverified{Algorithm: alg, KeyID: s.KeyID()}
}

func unknown(kid string) jwtauth.Unverified {
	return jwtauth.Unverified{Algorithm: "EdDSA", KeyID: "unknown " + kid}
}

// finds fails the test unless k finds exactly the keys of want for h, in order.
func finds(t testing.TB, k jwtauth.Keys, h jwtauth.Unverified, want ...*jwtauthtest.Signer) {
	t.Helper()
	got, err := k.Find(t.Context(), h)
	if err != nil {
		t.Errorf("Find(%v): %v", h, err)
		return
	}
	if len(got) != len(want) {
		t.Errorf("Find(%v) = %d keys, want %d", h, len(got), len(want))
		return
	}
	for i, w := range want {
		if !verifies(t, got[i], w) {
			t.Errorf("Find(%v): key %d is not that of %s", h, i, w.KeyID())
		}
	}
}

// fails fails the test unless k says that it cannot know.
func fails(t testing.TB, k jwtauth.Keys, h jwtauth.Unverified) error {
	t.Helper()
	keys, err := k.Find(t.Context(), h)
	if err == nil {
		t.Fatalf("Find(%v) = %d keys, want an error", h, len(keys))
	}
	return err
}

// verifies reports whether key verifies the tokens of s.
func verifies(t testing.TB, key jwtauth.Key, s *jwtauthtest.Signer) bool {
	t.Helper()
	auth, err := jwtauth.New[jwtauth.Claims](only{key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = auth.Close(t.Context()) }()
	_, err = auth.Authenticate(t.Context(), s.Token("alice", time.Hour))
	return err == nil
}

// only is a single key as jwtauth.Keys.
type only struct{ key jwtauth.Key }

func (only) Check() error { return nil }

func (o only) Find(context.Context, jwtauth.Unverified) ([]jwtauth.Key, error) {
	return []jwtauth.Key{o.key}, nil
}

// pass lets d pass in a bubble, and all that is due in it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
