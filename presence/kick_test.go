package presence_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestReason: whatever the reason is, the client is told a part of it that is text.
func TestReason(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	s := serve(t, p)
	for reason, want := range map[string]string{
		strings.Repeat("é", 500_000):      strings.Repeat("é", 128),
		"x" + strings.Repeat("é", 1_000):  "x" + strings.Repeat("é", 127),
		"\xff\xfe":                        "",
		"<b>\x00":                         "<b>\x00",
		"":                                "",
		strings.Repeat("\xff", 300) + "a": "",
	} {
		c, _ := s.join(t, as("alice"))
		if n, err := p.Kick(t.Context(), "alice", presence.Reason(reason)); n != 1 || err != nil {
			t.Error(n, err)
		}
		got, _ := kicked(t, c, "replaced")["reason"].(string)
		if got != want || !utf8.ValidString(got) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// TestKickAway: while the Store is away the devices of this process are kicked, except
// those that are spared; the Store learns of it.
func TestKickAway(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: time.Minute})
	l := watch(t, p)
	s := serve(t, p)
	_, mine := s.join(t, as("alice"))
	two, so := s.join(t, as("alice"))
	if err := p.Join(t.Context(), so, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	store.leave()
	if n, err := p.Kick(t.Context(), "alice", presence.Except(mine)); n != 1 || !errors.Is(err, presence.ErrUnavailable) {
		t.Error(n, err)
	}
	kicked(t, two, "replaced")
	siotest.Eventually(t, "one is left", func() bool {
		st := status(t, p, "alice")
		return st.Stale && st.Online && len(st.Devices) == 1
	})
	siotest.Eventually(t, "the Store is told", func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return len(store.late) >= 1
	})
	store.comeBack(time.Minute)
	if left := l.await(t, presence.Left, "alice", 1); left.Cause != presence.CauseKicked {
		t.Errorf("%+v", left)
	}
	if st := status(t, p, "alice"); st.Stale || len(st.Devices) != 1 {
		t.Errorf("%+v", st)
	}
}

// TestKickWithin: a user who is kicked while the Store's answer to the first socket is
// under way is disconnected when it has come.
func TestKickWithin(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Timeout: 5 * time.Second})
	s := serve(t, p)
	g := newGate(t)
	store.set(func(ctx context.Context, op, _ string, pass func() error) error {
		err := pass()
		if op == "join" {
			_ = g.pass(ctx)
		}
		return err
	})
	c := s.Dial(t, as("alice"))
	g.await(t) // in the Store, but not connected for the Tracker
	if n, err := p.Kick(t.Context(), "alice"); n != 1 || err != nil {
		t.Error(n, err)
	}
	g.open()
	kicked(t, c, "replaced")
	nobody(t, p)
}

// TestKickExceptForeign: if the socket to spare is not the user's, nobody is kicked.
func TestKickExceptForeign(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	s := serve(t, p)
	alice, _ := s.join(t, as("alice"))
	_, bob := s.join(t, as("bob"))
	_, nobody := s.join(t, siotest.Dial{})
	for _, so := range []*socket.Socket{bob, nobody, nil} {
		if n, err := p.Kick(t.Context(), "alice", presence.Except(so)); n != 0 || !errors.Is(err, presence.ErrAbsent) {
			t.Errorf("got %d, %v", n, err)
		}
	}
	alice.NoPacket(t, 0)
}

// TestKickListenerHangs: all sockets of a device are kicked, although a listener of one of
// them hangs.
func TestKickListenerHangs(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	s := serve(t, p)
	c, first := s.join(t, as("alice"))
	c.Connect("/other", nil)
	c.Connected(t)
	hang := make(chan struct{})
	defer close(hang)
	for _, so := range []*socket.Socket{first, <-s.sockets} {
		_ = so.On("disconnect", func(...any) { <-hang })
	}
	if n, err := p.Kick(t.Context(), "alice"); n != 1 || err != nil {
		t.Errorf("%d devices, %v", n, err)
	}
	events := 0
	for left := 0; left < 2; { // both events may come first
		switch p := c.Next(t); {
		case p.Type == siotest.TypeDisconnect:
			left++
		case p.Event() == "kicked":
			events++
		}
	}
	if events != 2 {
		t.Errorf("%d events", events)
	}
}
