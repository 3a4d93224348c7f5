package jwtauth_test

import (
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
)

// TestIndexAfterLeaving: a member that is removed from the middle of a user's list
// removes no other, and leaves nothing behind.
func TestIndexAfterLeaving(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	s, _ := authenticated(t, a)
	same := token(t, "ada", time.Hour)
	var tabs [3]*siotest.Client
	for i := range tabs {
		tabs[i] = s.Dial(t, with(same))
		tabs[i].Connected(t)
	}
	tabs[1].Close()
	siotest.Eventually(t, "the tab leaves the index", func() bool { return jwtauth.Indexed(a) == 2 })
	if n, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); n != 2 || err != nil {
		t.Errorf("Revoke = %d, %v", n, err)
	}
	kicked(t, tabs[0], "token_revoked")
	kicked(t, tabs[2], "token_revoked")
	siotest.Eventually(t, "the index is empty", func() bool { return jwtauth.Indexed(a) == 0 })
	if n := jwtauth.IndexKeys(a); n != 0 {
		t.Errorf("%d lists of nobody", n)
	}
}

// TestIndexLeaveTwice: a member that is not in a list cannot be removed from
// it, nor can another one in its place.
func TestIndexLeaveTwice(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	members := jwtauth.Members(a, 3, &jwtauth.Identity[claims]{ID: "x", Subject: "ada", ExpiresAt: time.Now().Add(time.Hour)})
	for _, i := range []int{1, 1, 2, 0} {
		jwtauth.Leave(a, members[i])
		if want := map[int]int{1: 2, 2: 1, 0: 0}[i]; jwtauth.Indexed(a) != want {
			t.Errorf("%d in the index, want %d", jwtauth.Indexed(a), want)
		}
	}
	if n := jwtauth.IndexKeys(a) + jwtauth.Armed(a); n != 0 {
		t.Errorf("%d lists and alarms of nobody", n)
	}
}
