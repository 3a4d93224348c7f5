package session_test

import (
	"errors"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
)

// TestNilSession: the session of a socket that was let in without one holds nothing, and
// what would change it says that there is none.
func TestNilSession(t *testing.T) {
	t.Parallel()
	s := serve(t, newManager(t, newMemory(), &session.Options{Missing: session.Admit}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	none, ok := s.m.From(<-s.sockets)
	if none != nil || ok {
		t.Fatal("a session")
	}
	if v, ok := none.Get("user"); v != nil || ok {
		t.Errorf("Get: %v, %v", v, ok)
	}
	if name, ok := user.Get(none); name != "" || ok {
		t.Errorf("Key.Get: %q, %v", name, ok)
	}
	if room := none.Room(); room != "" {
		t.Errorf("room %q", room)
	}
	ticket, renewErr := none.Renew(func(map[any]any) error { t.Error("called"); return nil })
	n, destroyErr := none.Destroy(t.Context())
	if ticket != "" || n != 0 {
		t.Errorf("ticket %q, %d sockets", ticket, n)
	}
	for name, err := range map[string]error{
		"Update":  none.Update(t.Context(), func(map[any]any) error { t.Error("called"); return nil }),
		"Reload":  none.Reload(t.Context()),
		"Renew":   renewErr,
		"Destroy": destroyErr,
	} {
		var told *wrap.Error
		if !errors.Is(err, session.ErrMissing) || !errors.As(err, &told) || told.Code != "session_missing" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// To emit to no room is to emit to all. That of a session is never empty.
	_, sess := s.join(t, with(s.visit(t)))
	if sess.Room() == "" {
		t.Error("a session without room")
	}
	c.NoPacket(t, 0)
}
