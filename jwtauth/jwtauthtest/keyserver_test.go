package jwtauthtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

func get(ctx context.Context, k *jwtauthtest.KeyServer) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL(), nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := k.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// serves fails the test unless k serves the keys of signers.
func serves(t testing.TB, k *jwtauthtest.KeyServer, signers ...*jwtauthtest.Signer) {
	t.Helper()
	status, body, err := get(t.Context(), k)
	var set struct {
		Keys []struct{ Kid string } `json:"keys"`
	}
	if err := errors.Join(err, json.Unmarshal([]byte(body), &set)); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	var got, want []string
	for _, k := range set.Keys {
		got = append(got, k.Kid)
	}
	for _, s := range signers {
		want = append(want, s.KeyID())
	}
	if !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
}

func TestKeyServer(t *testing.T) {
	t.Parallel()
	a, b := jwtauthtest.NewSigner(t, "ES256"), jwtauthtest.NewSigner(t, "HS256")
	k := jwtauthtest.NewKeyServer(t, a)
	serves(t, k, a)
	k.Rotate(b, a)
	serves(t, k, b, a)
	k.Rotate()
	serves(t, k)

	k.SetDown(true)
	if status, _, err := get(t.Context(), k); status != http.StatusServiceUnavailable || err != nil {
		t.Errorf("down: status %d, %v", status, err)
	}
	k.Rotate(a)
	k.SetDown(false)
	serves(t, k, a)

	body := []byte("<html>")
	k.Serve(body)
	body[0] = 'x'
	if _, got, err := get(t.Context(), k); got != "<html>" || err != nil {
		t.Errorf("body %q, %v", got, err)
	}
	if got := k.Fetches(); got != 6 {
		t.Errorf("%d fetches, want 6", got)
	}
}

func TestKeyServerSlow(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "ES256")
	k := jwtauthtest.NewKeyServer(t, a)
	k.SetSlow(50 * time.Millisecond)
	start := time.Now()
	serves(t, k, a)
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("answered after %v", d)
	}
	k.SetSlow(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := get(ctx, k); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestKeyServerHangs(t *testing.T) {
	t.Parallel()
	a, b := jwtauthtest.NewSigner(t, "ES256"), jwtauthtest.NewSigner(t, "EdDSA")
	k := jwtauthtest.NewKeyServer(t, a)
	for range 2 {
		k.SetHang(true)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := get(ctx, k); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { serves(t, k, b) })
	}
	for k.Fetches() < 5 { // the first may not have come so far
		<-time.After(time.Millisecond)
	}
	k.Rotate(b)
	for range 2 {
		k.SetHang(false)
	}
	wg.Wait()
}

// A server that is left as it hangs, or is slow, must not hold up the test.
func TestKeyServerEndsWhileRequestsWait(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	t.Run("test", func(t *testing.T) {
		hangs, slow := jwtauthtest.NewKeyServer(t), jwtauthtest.NewKeyServer(t)
		hangs.SetHang(true)
		slow.SetSlow(time.Hour)
		for _, k := range []*jwtauthtest.KeyServer{hangs, slow} {
			wg.Go(func() { _, _, _ = get(context.Background(), k) })
			for k.Fetches() == 0 {
				<-time.After(time.Millisecond)
			}
		}
	})
	wg.Wait()
}

// TestWithJWKS is all of it together: tokens of a key server, its rotation, and
// an outage.
func TestWithJWKS(t *testing.T) {
	t.Parallel()
	for _, alg := range algorithms[3:] {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			a, b, c := jwtauthtest.NewSigner(t, alg), jwtauthtest.NewSigner(t, alg), jwtauthtest.NewSigner(t, alg)
			k := jwtauthtest.NewKeyServer(t, a)
			keys, err := jwks.New(k.URL(), &jwks.Options{Client: k.Client(), InsecureHTTP: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = keys.Close(context.Background()) }()
			is := func(s *jwtauthtest.Signer, want error) {
				t.Helper()
				if _, err := authenticate(t, keys, s.Token("alice", time.Minute)); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			}
			is(a, nil)
			k.Rotate(b)
			is(b, nil)
			is(a, jwtauth.ErrInvalid)
			k.SetDown(true)
			is(b, nil)
			is(c, jwtauth.ErrInvalid) // the window is spent: nobody asks the server

			for _, header := range []object{{"alg": "none"}, {"alg": "HS256"}, {"kid": "x"}, {"alg": "HS256", "kid": nil}} {
				token := b.SignHeader(header, object{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()})
				if _, err := authenticate(t, keys, token); !errors.Is(err, jwtauth.ErrInvalid) {
					t.Errorf("%v: %v, want invalid", header, err)
				}
			}
			if got := k.Fetches(); got != 2 {
				t.Errorf("%d fetches, want 2", got)
			}
		})
	}
}
