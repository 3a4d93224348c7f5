package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/session"
)

// TestNewFaults: all faults come back together.
func TestNewFaults(t *testing.T) {
	t.Parallel()
	_, err := session.New(nil, "a b", &session.Options{
		Missing: 3, Origins: []string{"null", "https://*"}, Check: time.Millisecond, Timeout: -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"Missing", "Check", "Timeout", "Origins", "no store", "name"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("nothing of %s in %q", part, err)
		}
	}
	if _, err := session.New((*sessions.CookieStore)(nil), "sid", nil); err == nil || !strings.Contains(err.Error(), "no store") {
		t.Errorf("a store that is a nil pointer: %v", err)
	}
	for _, name := range []string{"", "a b", "a;b", "a=b", "a,b", "\x00", "ä", `"`} {
		if _, err := session.New(newMemory(), name, nil); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	for _, o := range []*session.Options{nil, {}, {Check: 100 * time.Millisecond}, {Origins: []string{"*"}}} {
		newManager(t, newMemory(), o)
	}
	for _, o := range []session.Options{{Missing: -1}, {Check: -1}, {Check: 99 * time.Millisecond}, {Timeout: -time.Second}, {Timeout: 5}} {
		if _, err := session.New(newMemory(), "__Host-sid", &o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// TestKeys: New refuses a store that cannot sign a cookie, for example because a variable
// is not set.
func TestKeys(t *testing.T) {
	t.Parallel()
	key, short := []byte("0123456789abcdef0123456789abcdef"), []byte("abc")
	for _, c := range []struct {
		name  string
		store sessions.Store
		want  string // of the error; "" for none
	}{
		{"no keys", sessions.NewCookieStore(), "no keys"},
		{"empty", sessions.NewCookieStore([]byte{}), "key pair 1 of the store: securecookie: hash key is not set"},
		{"empty in files", sessions.NewFilesystemStore(t.TempDir(), nil), "key pair 1 of the store: securecookie: hash key is not set"},
		{"older empty", sessions.NewCookieStore(key, nil, []byte{}, nil), "key pair 2 of the store"},
		{"encryption", sessions.NewCookieStore(key, short), "key pair 1 of the store"},
		{"good", sessions.NewCookieStore(key, key[:16], key), ""},
		{"good in files", sessions.NewFilesystemStore(t.TempDir(), key), ""},
	} {
		_, err := session.New(c.store, "sid", nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
