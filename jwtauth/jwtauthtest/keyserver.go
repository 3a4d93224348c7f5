package jwtauthtest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// KeyServer serves the keys of Signers as a JSON Web Key Set, by http on loopback.
// Use it with package jwks:
//
//	server := jwtauthtest.NewKeyServer(t, signer)
//	keys, err := jwks.New(server.URL(), &jwks.Options{Client: server.Client(), InsecureHTTP: true})
//
// It closes itself when the test ends. It is safe for concurrent use.
type KeyServer struct {
	http *httptest.Server

	mu      sync.Mutex
	body    []byte
	down    bool
	slow    time.Duration
	hang    chan struct{} // closed when the server stops hanging; nil if it does not hang
	fetches int
}

// NewKeyServer returns a running server that serves the keys of signers.
func NewKeyServer(tb testing.TB, signers ...*Signer) *KeyServer {
	tb.Helper()
	k := &KeyServer{}
	k.Rotate(signers...)
	k.http = httptest.NewServer(k)
	tb.Cleanup(func() {
		k.SetHang(false) // Close waits for requests
		k.SetSlow(0)
		k.http.CloseClientConnections()
		k.http.Close()
	})
	return k
}

// URL returns the URL of the key set.
func (k *KeyServer) URL() string { return k.http.URL + "/jwks.json" }

// Client returns a client for the server, whose connections end with it.
func (k *KeyServer) Client() *http.Client { return k.http.Client() }

// Rotate serves the keys of signers in place of what was served before; with none,
// a set without keys.
func (k *KeyServer) Rotate(signers ...*Signer) {
	keys := make([]string, len(signers))
	for i, s := range signers {
		keys[i] = s.JWK()
	}
	k.Serve([]byte(`{"keys":[` + strings.Join(keys, ",") + `]}`))
}

// Serve serves body, whatever it is, in place of what was served before.
func (k *KeyServer) Serve(body []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.body = append([]byte(nil), body...)
}

// SetDown sets whether each request is answered with status 503.
func (k *KeyServer) SetDown(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
}

// SetSlow sets how long requests that come from now on wait for their answer.
func (k *KeyServer) SetSlow(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.slow = d
}

// SetHang sets whether requests get no answer at all. Waiting requests are
// answered when it ends, with what is served then.
func (k *KeyServer) SetHang(hang bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case hang && k.hang == nil:
		k.hang = make(chan struct{})
	case !hang && k.hang != nil:
		close(k.hang)
		k.hang = nil
	}
}

// Fetches returns how many requests have come, including those without an
// answer or with an error.
func (k *KeyServer) Fetches() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fetches
}

// ServeHTTP implements [http.Handler], for serving the key set on a server of one's own.
func (k *KeyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.fetches++
	hang, slow := k.hang, k.slow
	k.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
	}
	if slow > 0 {
		t := time.NewTimer(slow)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return
		}
	}
	k.mu.Lock()
	body, down := k.body, k.down
	k.mu.Unlock()
	if down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(body) // the client may have left
}
