package jwtauth_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// A login has as many names as it has tokens that last: neither the names of a user
// who refreshes forever nor those of one who has left are kept.
func TestMemoryStoreNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []jwtauth.LoginPolicy{jwtauth.NewestLogin, jwtauth.OldestLogin} {
			s := jwtauth.NewMemoryStore()
			const lasting, n = 100, 20_000
			last := memoryLogin(p, "user", "0", lasting*time.Minute)
			first := last
			mustAdmit(t, s, last)
			for i := range n {
				<-time.After(time.Minute)
				next := memoryLogin(p, "user", fmt.Sprint(i+1), lasting*time.Minute)
				next.Replaces = last.Name
				if v := mustAdmit(t, s, next); v != jwtauth.Admitted {
					t.Fatalf("policy %d: refresh %d: %d", p, i, v)
				}
				if got := s.Len(); got > 2000 {
					t.Fatalf("policy %d: Len: %d after %d refreshes", p, got, i)
				}
				last = next
			}
			// A name that has left, with a token that lasts, is another login's.
			first.Until = time.Now().Add(time.Hour)
			if v := mustAdmit(t, s, first); v == jwtauth.Admitted {
				t.Errorf("policy %d: the first name is remembered", p)
			}
			// With one name left it is as before the first refresh.
			<-time.After((lasting - 1) * time.Minute)
			for range n {
				mustAdmit(t, s, memoryLogin(jwtauth.ManyLogins, "someone", "a", time.Minute))
			}
			if got := s.Len(); got != 1 {
				t.Errorf("policy %d: Len with one name: %d", p, got)
			}
			if v := mustAdmit(t, s, last); v != jwtauth.Admitted {
				t.Errorf("policy %d: the last name: %d", p, v)
			}
			<-time.After(time.Minute)
			for range n {
				mustAdmit(t, s, memoryLogin(jwtauth.ManyLogins, "someone", "a", time.Minute))
			}
			if got := s.Len(); got != 0 {
				t.Errorf("policy %d: Len in the end: %d", p, got)
			}
		}
	})
}

// A takeover turns the names into as many marks.
func TestMemoryStoreNamesReplaced(t *testing.T) {
	t.Parallel()
	s := jwtauth.NewMemoryStore()
	for i := range 10 {
		l := memoryLogin(jwtauth.NewestLogin, "user", fmt.Sprint(i), time.Hour)
		if i > 0 {
			l.Replaces = fmt.Sprint(i - 1)
		}
		mustAdmit(t, s, l)
	}
	if got := s.Len(); got != 11 { // with the user
		t.Errorf("Len of ten names: %d", got)
	}
	mustAdmit(t, s, memoryLogin(jwtauth.NewestLogin, "user", "other", time.Hour))
	if got := s.Len(); got != 11 {
		t.Errorf("Len of ten names that were replaced: %d", got)
	}
}
