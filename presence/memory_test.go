package presence_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) presence.Store { return newMemory(t) })
}

func newMemory(t testing.TB) *presence.MemoryStore {
	m := presence.NewMemoryStore()
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

// memTold records what is told, in words.
func memTold(m *presence.MemoryStore) (told func() []string) {
	var mu sync.Mutex
	var all []string
	start := time.Now()
	m.Watch(func(e presence.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Eviction != nil {
			all = append(all, fmt.Sprintf("%v: %s evicted: %s", time.Since(start), e.Eviction.Device, e.Eviction.Cause))
			return
		}
		all = append(all, fmt.Sprintf("%v: %d %s %s %q", e.Change.At.Sub(start), e.Change.Kind, e.Change.User, e.Change.Cause, e.Change.Device.ID))
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func memGet(t testing.TB, m *presence.MemoryStore, room, user string) presence.Record {
	t.Helper()
	all, err := m.Get(t.Context(), room, user)
	if err != nil || len(all) != 1 {
		t.Fatalf("Get: %v, %v", all, err)
	}
	return all[0]
}

// A grace ends to the nanosecond, and nothing is left of it.
func TestMemoryGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := presence.NewMemoryStore()
		told := memTold(m)
		seat := memSeat("", "u")
		for _, grace := range []time.Duration{1, time.Second, 12 * time.Hour} {
			if err := m.Join(t.Context(), presence.Entry{Seat: seat, Grace: grace}); err != nil {
				t.Fatal(err)
			}
			memLeave(t, m, seat)
			left := time.Now()
			<-time.After(grace - 1)
			synctest.Wait()
			if r := memGet(t, m, "", "u"); grace > 1 && (r.Version == 0 || !r.Seen.Equal(left)) {
				t.Errorf("a nanosecond before: %+v", r)
			}
			<-time.After(1)
			synctest.Wait()
			if r := memGet(t, m, "", "u"); r.Version != 0 || !r.Seen.Equal(left) {
				t.Errorf("when it ends: %+v", r)
			}
		}
		want := []string{
			`0s: 1 u joined "d-u"`, `1ns: 2 u left ""`, `1ns: 1 u joined "d-u"`, `1.000000001s: 2 u left ""`,
			`1.000000001s: 1 u joined "d-u"`, `12h0m1.000000001s: 2 u left ""`,
		}
		if got := told(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Nothing happens after Close: members in their grace stay.
func TestMemoryClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := presence.NewMemoryStore()
		told := memTold(m)
		for i, grace := range []time.Duration{0, time.Second, time.Hour} {
			e := presence.Entry{Seat: memSeat("", fmt.Sprint("u", i)), Grace: grace}
			if err := m.Join(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		memLeave(t, m, memSeat("", "u1"))
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		<-time.After(2 * time.Hour)
		synctest.Wait()
		for i, want := range []bool{false, true, true} {
			if r := memGet(t, m, "", fmt.Sprint("u", i)); (r.Version > 0) != want || len(r.Devices) > 0 || r.Seen.IsZero() {
				t.Errorf("after Close: %+v", r)
			}
		}
		if n, err := m.Evict(t.Context(), "u2", presence.CauseKicked, ""); n != 0 || err != nil {
			t.Errorf("Evict: %d, %v", n, err)
		}
		if err := m.Leave(t.Context(), presence.CauseLeft, true, memSeat("", "u2")); err != nil {
			t.Error(err)
		}
		m.Watch(func(e presence.Event) { t.Errorf("told after Close: %+v", e) })()
		want := []string{`0s: 1 u0 joined "d-u0"`, `0s: 1 u1 joined "d-u1"`, `0s: 1 u2 joined "d-u2"`, `0s: 2 u0 drained ""`}
		if got := told(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// Users who are offline are remembered for a day.
func TestMemorySeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := presence.NewMemoryStore()
		memJoin(t, m, memSeat("", "u"))
		memLeave(t, m, memSeat("", "u"))
		<-time.After(24*time.Hour - 1)
		if r := memGet(t, m, "", "u"); r.Seen.IsZero() {
			t.Errorf("before a day has passed: %+v", r)
		}
		<-time.After(1)
		if r := memGet(t, m, "", "u"); !r.Seen.IsZero() {
			t.Errorf("after a day: %+v", r)
		}
	})
}

// Of more users than are remembered the latest are, and no more.
func TestMemorySeenBound(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	all := memUsers(150_000)
	for _, user := range all {
		memJoin(t, m, memSeat("", user))
		memLeave(t, m, memSeat("", user))
	}
	known, latest := 0, 0
	for i, user := range all {
		if !memGet(t, m, "", user).Seen.IsZero() {
			if known++; i >= 60_000 {
				latest++
			}
		}
	}
	if known > 100_000 || known < 90_000 || latest < 89_000 {
		t.Errorf("%d of %d are remembered, %d of the latest 90,000", known, len(all), latest)
	}
}

// An eviction is forgotten when its device has left, and not before.
func TestMemoryEvictionForgotten(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	e := presence.Entry{Seat: presence.Seat{User: "u", Device: "d"}}
	memJoin(t, m, e.Seat)
	if n, err := m.Evict(t.Context(), "u", presence.CauseKicked, "why"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	memLeave(t, m, presence.Seat{Room: "r", User: "u", Device: "d"})
	var ev *presence.Eviction
	for range 2 {
		if err := m.Join(t.Context(), e); !errors.As(err, &ev) || ev.Reason != "why" {
			t.Errorf("Join: %v", err)
		}
		ev.Reason = "changed by who got it"
	}
	memLeave(t, m, e.Seat)
	if err := m.Join(t.Context(), e); err != nil {
		t.Errorf("Join after Leave: %v", err)
	}
}

// Evictions of devices that nobody calls Leave for are forgotten in the end.
func TestMemoryEvictionBound(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	const n = 3000
	for i := range n {
		memJoin(t, m, presence.Seat{User: "u", Device: fmt.Sprint(i)})
		_, _ = m.Evict(t.Context(), "u", presence.CauseKicked, "")
	}
	known := 0
	for i := range n {
		e := presence.Entry{Seat: presence.Seat{Room: "r", User: "u", Device: fmt.Sprint(i)}}
		if err := m.Join(t.Context(), e); err != nil {
			known++
		} else if i > n-1000 {
			t.Errorf("%d of %d is forgotten", i, n)
		}
	}
	if known < 1000 || known > 1100 {
		t.Errorf("%d are remembered", known)
	}
}

// What members have taken is given back when they are gone.
func TestMemoryGivesBack(t *testing.T) {
	m := newMemory(t)
	before := memHeap()
	all := memUsers(100_000)
	for i, user := range all {
		memJoin(t, m, memSeat("room", user))
		memJoin(t, m, memSeat(fmt.Sprint("own room ", i), user))
	}
	held := memHeap()
	for i, user := range all {
		memLeave(t, m, memSeat("room", user), memSeat(fmt.Sprint("own room ", i), user))
	}
	after := memHeap()
	if kept := (after - before) / (held - before); kept > 0.25 {
		t.Errorf("%.0f of %.0f bytes are kept", after-before, held-before)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(all)
}

func TestMemoryCursor(t *testing.T) {
	t.Parallel()
	m := newMemory(t)
	for _, cursor := range []string{"!", "-1", "3w5e11264sgsf", "3w5e11264sgsg", "99999999999999999999", "\xff", "1 ", "+1", "zz.1", "1.x", "1.1.1"} {
		for what, page := range map[string]func() ([]presence.Record, string, error){
			"List": func() ([]presence.Record, string, error) { return m.List(t.Context(), "r", cursor, 1) },
			"Scan": func() ([]presence.Record, string, error) { return m.Scan(t.Context(), cursor, 1) },
		} {
			if all, next, err := page(); err == nil && (len(all) > 0 || next != "") {
				t.Errorf("%s from %q: %v, %q", what, cursor, all, next)
			}
		}
	}
	memJoin(t, m, memSeat("r", "u"))
	for _, n := range []int{0, -1} {
		if all, _, err := m.List(t.Context(), "r", "", n); len(all) > 1 || err != nil {
			t.Errorf("List of %d: %v, %v", n, all, err)
		}
	}
}
