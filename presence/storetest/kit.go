package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sioware/sioware/presence"
)

// fail reports an error with the sentence that is broken.
func (k *kit) fail(format string, args ...any) {
	k.Helper()
	k.Errorf("%s\nthe contract: %q", text(format, args...), k.says)
}

// text is fmt.Sprintf, but a precision shortens the text of a value as a whole, and not
// each of its fields.
func text(format string, args ...any) string {
	args = slices.Clone(args)
	for i, arg := range args {
		switch arg.(type) {
		case presence.Record, []presence.Record, presence.Change, change, []change, presence.Device, presence.Entry,
			map[string]int, map[string]bool, map[place]int:
			args[i] = fmt.Sprintf("%+v", arg)
		}
	}
	return fmt.Sprintf(format, args...)
}

// store returns the first of the nodes.
func (k *kit) store() presence.Store { return k.nodes[0] }

// seat returns a seat of this case; the room "" is the same for all cases.
func (k *kit) seat(room, user, device string) presence.Seat {
	return presence.Seat{Room: k.room(room), User: k.user(user), Device: k.device(device)}
}

func (k *kit) room(name string) string {
	if name == "" {
		return ""
	}
	return k.tag + name
}

func (k *kit) user(name string) string   { return k.tag + name }
func (k *kit) device(name string) string { return k.tag + "-" + name }

// entry returns an entry of this case.
func (k *kit) entry(room, user, device string, with ...func(*presence.Entry)) presence.Entry {
	e := presence.Entry{Seat: k.seat(room, user, device)}
	for _, f := range with {
		f(&e)
	}
	return e
}

func grace(d time.Duration) func(*presence.Entry) {
	return func(e *presence.Entry) { e.Grace = d }
}

func meta(s string) func(*presence.Entry) {
	return func(e *presence.Entry) { e.Meta = json.RawMessage(s) }
}

func away(e *presence.Entry) { e.Away = true }
func keep(e *presence.Entry) { e.Keep = true }

func limit(n int) func(*presence.Entry) {
	return func(e *presence.Entry) { e.Max = n }
}

// joinAt joins at a node, and remembers the seat for the end.
func (k *kit) joinAt(s presence.Store, e presence.Entry) error {
	k.mu.Lock()
	k.seats[e.Seat] = s
	k.mu.Unlock()
	return s.Join(k.Context(), e)
}

// join joins at the first node, which must not fail.
func (k *kit) join(room, user, device string, with ...func(*presence.Entry)) {
	k.Helper()
	k.enter(k.store(), k.entry(room, user, device, with...))
}

func (k *kit) enter(s presence.Store, e presence.Entry) {
	k.Helper()
	if err := k.joinAt(s, e); err != nil {
		k.fail("Join of %.200q: %v", e.Seat, err)
		k.FailNow()
	}
}

// leave leaves at the first node, which must not fail.
func (k *kit) leave(cause presence.Cause, now bool, seats ...presence.Seat) {
	k.Helper()
	k.leaveAt(k.store(), cause, now, seats...)
}

func (k *kit) leaveAt(s presence.Store, cause presence.Cause, now bool, seats ...presence.Seat) {
	k.Helper()
	if err := s.Leave(k.Context(), cause, now, seats...); err != nil {
		k.fail("Leave of %.200q: %v", seats, err)
		k.FailNow()
	}
}

// get returns the record of one user of this case, from one node.
func (k *kit) get(s presence.Store, room, user string) presence.Record {
	k.Helper()
	all, err := s.Get(k.Context(), k.room(room), k.user(user))
	if err != nil {
		k.Fatalf("Get: %v", err)
	}
	if len(all) != 1 || all[0].Room != k.room(room) || all[0].User != k.user(user) {
		k.fail("Get of %q in %q: %.500v", user, room, all)
		k.FailNow()
	}
	k.sound(all[0])
	return all[0]
}

// sound checks what holds for every record.
func (k *kit) sound(r presence.Record) {
	k.Helper()
	switch {
	case r.Version == 0 && (len(r.Devices) > 0 || r.Last.ID != ""):
		k.fail("no member, but: %.500v", r)
	case r.Version == 0 && r.Room != "" && !r.Seen.IsZero():
		k.fail("no member of a room was seen: %.500v", r)
	case r.Version > 0 && len(r.Devices) == 0 && (r.Last.ID == "" || r.Seen.IsZero()):
		k.fail("a member without a device and a last one: %.500v", r)
	case len(r.Devices) > 0 && (r.Last.ID != "" || !r.Seen.IsZero()):
		k.fail("a member with a device and a last one: %.500v", r)
	}
	if !r.Seen.IsZero() {
		k.recent(r.Seen)
	}
	for _, d := range r.Devices {
		k.recent(d.Since)
	}
}

// recent checks a time by the store's clock, of something that happened in the test.
func (k *kit) recent(t time.Time) {
	k.Helper()
	if d := time.Since(t); d < -slack || d > 10*time.Minute {
		k.fail("%v ago: %v", d, t)
	}
}

// devices checks which devices a member of a room has, in order.
func (k *kit) devices(s presence.Store, room, user string, want ...string) presence.Record {
	k.Helper()
	r := k.get(s, room, user)
	if r.Version == 0 {
		k.fail("%q is no member of %q", user, room)
	}
	got := make([]string, 0, len(r.Devices))
	for _, d := range r.Devices {
		got = append(got, d.ID)
	}
	for i := range want {
		want[i] = k.device(want[i])
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		k.fail("devices of %q in %q: %q, want %q", user, room, got, want)
	}
	return r
}

// absent checks that a user is not a member of a room.
func (k *kit) absent(s presence.Store, room, user string) {
	k.Helper()
	if r := k.get(s, room, user); r.Version != 0 {
		k.fail("%q is a member of %q: %.500v", user, room, r)
	}
}

func (k *kit) count(s presence.Store, room string, want int) {
	k.Helper()
	if got, err := s.Count(k.Context(), k.room(room)); err != nil {
		k.Fatalf("Count: %v", err)
	} else if got != want {
		k.fail("Count of %q: %d, want %d", room, got, want)
	}
}

// list returns the members of a room, in pages of n.
func (k *kit) list(s presence.Store, room string, n int) []presence.Record {
	k.Helper()
	return k.pages(n, func(cursor string) ([]presence.Record, string, error) {
		return s.List(k.Context(), k.room(room), cursor, n)
	})
}

func (k *kit) pages(n int, next func(cursor string) ([]presence.Record, string, error)) (all []presence.Record) {
	k.Helper()
	cursor, end := "", time.Now().Add(k.patience)
	for {
		page, then, err := next(cursor)
		if err != nil {
			k.Fatalf("a page: %v", err)
		}
		if len(page) > n {
			k.fail("%d members in a page of %d", len(page), n)
		}
		if all = append(all, page...); then == "" {
			return all
		}
		if cursor = then; time.Now().After(end) {
			k.fail("no end after %d members", len(all))
			k.FailNow()
		}
	}
}

// is checks that err wraps want.
func (k *kit) is(err, want error) {
	k.Helper()
	if !errors.Is(err, want) {
		k.fail("error %v, want one that wraps %q", err, want)
	}
}

// evicted checks that err is the eviction of a device.
func (k *kit) evicted(err error, want presence.Eviction) {
	k.Helper()
	var got *presence.Eviction
	if !errors.As(err, &got) {
		k.fail("error %v, want an *Eviction", err)
	} else if *got != want {
		k.fail("eviction %+v, want %+v", *got, want)
	}
}

// eventually waits for f to hold.
func (k *kit) eventually(f func() bool) bool {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), k.patience)
	defer cancel()
	for !f() {
		if !wait(ctx, 2*time.Millisecond) {
			return false
		}
	}
	return true
}

// atOnce calls f n times at the same moment, with 0 to n-1, and waits for all calls.
func atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	wg.Wait()
}

// wait waits for d, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
