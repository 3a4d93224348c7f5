package presence_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// odd are names that mean something somewhere.
var odd = []string{
	"__proto__", "constructor", "{}:*", "{a}b", "👩‍🚀", "a b", " ", "\n", "*", "..", "%00", "sioware", "<script>",
	"toString", "\u202e", strings.Repeat("x", 256),
}

// TestOddNames: users and rooms may have any name, and none is taken for another.
func TestOddNames(t *testing.T) {
	t.Parallel()
	p := trackerOf(t, func(s *socket.Socket) (string, bool) { return query(s) }, &presence.Options{Grace: -1})
	l := watch(t, p)
	s := serve(t, p)
	rooms := make(map[socket.Room]string)
	for _, name := range odd {
		c, so := s.join(t, as(name))
		if other, ok := rooms[p.Room(name)]; ok {
			t.Errorf("%q and %q have one room", name, other)
		}
		rooms[p.Room(name)] = name
		if err := p.Join(t.Context(), so, name, name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if m := members(t, p, name); len(m) != 1 || len(m[name].Devices) != 1 {
			t.Errorf("%q: %+v", name, m)
		}
		if st := status(t, p, name); !st.Online || st.User != name {
			t.Errorf("%+v", st)
		}
		s.IO.To(p.Room(name)).Emit("hello")
		c.NextEvent(t, "hello")
		if n, err := p.Kick(t.Context(), name, presence.Reason(name)); n != 1 || err != nil {
			t.Errorf("%q: %d, %v", name, n, err)
		}
		kicked(t, c, "replaced")
		l.await(t, presence.Offline, name, 1)
		l.await(t, presence.Left, name, 1)
	}
	nobody(t, p, odd...)
}

// TestBadNames: what cannot be a name is refused, and asking about it is harmless.
func TestBadNames(t *testing.T) {
	t.Parallel()
	p := newTracker(t, nil)
	s := serve(t, p)
	_, so := s.join(t, as("alice"))
	for _, name := range []string{"\xff", strings.Repeat("x", 1<<20), "a\x00b"} {
		for op, err := range map[string]error{
			"Join":  p.Join(t.Context(), so, name, nil),
			"Leave": p.Leave(t.Context(), so, name),
		} {
			if !errors.Is(err, presence.ErrRoom) {
				t.Errorf("%s: %v", op, err)
			}
		}
		if err := p.Update(t.Context(), so, name, nil); !errors.Is(err, presence.ErrAbsent) {
			t.Errorf("Update: %v", err)
		}
		if n, err := p.Count(t.Context(), name); n != 0 || err != nil {
			t.Error(n, err)
		}
		if len(members(t, p, name)) != 0 {
			t.Error("members")
		}
		if st := status(t, p, name); st.Online {
			t.Errorf("%+v", st)
		}
		if n, err := p.Kick(t.Context(), name); n != 0 || err != nil {
			t.Error(n, err)
		}
	}
	for _, so := range []*socket.Socket{nil} {
		if _, ok := p.From(so); ok {
			t.Error("nothing has a user")
		}
		if err := p.Join(t.Context(), so, "lobby", nil); !errors.Is(err, presence.ErrAbsent) {
			t.Error(err)
		}
	}
}

// TestEnded: what methods do with a context that has ended before.
func TestEnded(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	s := serve(t, p)
	c, so := s.join(t, as("alice"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"Join": p.Join(ctx, so, "lobby", nil), "Update": p.Update(ctx, so, "", nil), "Away": p.Away(ctx, so, true),
		"Leave": p.Leave(ctx, so, "lobby"),
	} {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := p.Count(ctx, "")
	_, err2 := p.Status(ctx, "alice")
	for _, err := range []error{err, err2} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for m, err := range p.MembersFor(ctx, so, "") {
		if !errors.Is(err, context.Canceled) {
			t.Error(m, err)
		}
	}
	if _, err := p.Kick(ctx, "alice"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.Close()
	nobody(t, p, "lobby")
}
