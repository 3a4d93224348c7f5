package jwks_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

func TestClose(t *testing.T) {
	t.Run("during a fetch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := jwtauthtest.NewSigner(t, "EdDSA")
			n := &network{body: keySet(a), hang: make(chan struct{})}
			s := overNetwork(t, n, jwks.Options{})
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { fails(t, s, by(a)) })
			}
			synctest.Wait()
			start := time.Now()
			for range 2 {
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			wg.Wait()
			if d := time.Since(start); d != 0 {
				t.Errorf("Close took %v", d)
			}
			if s.Check() == nil {
				t.Error("Check: nil after Close")
			}
			fails(t, s, by(a))
			pass(48 * time.Hour)
			if got := n.count(); got != 1 {
				t.Errorf("%d fetches, want none after Close", got-1)
			}
		})
	})
	t.Run("keys end with it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := jwtauthtest.NewSigner(t, "EdDSA")
			n := &network{body: keySet(a)}
			s := overNetwork(t, n, jwks.Options{})
			finds(t, s, by(a), a)
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			fails(t, s, by(a))
		})
	})
	t.Run("a client that is deaf", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := jwtauthtest.NewSigner(t, "EdDSA")
			n := &network{body: keySet(a), hang: make(chan struct{}), deaf: true}
			s := overNetwork(t, n, jwks.Options{})
			go func() { _, _ = s.Find(t.Context(), by(a)) }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v, want that of its context", err)
			}
			close(n.hang)
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			fails(t, s, by(a)) // what comes late is not used
		})
	})
	t.Run("never used", func(t *testing.T) {
		s := overNetwork(t, &network{}, jwks.Options{})
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestZeroSet(t *testing.T) {
	for _, s := range []*jwks.Set{nil, {}} {
		if s.Check() == nil {
			t.Error("Check: nil")
		}
		fails(t, s, unknown(""))
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
