package redisstore_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// brisk is for tests that wait for leases, on a machine that is busy.
var brisk = &redisstore.Options{Timeout: 500 * time.Millisecond, Lease: time.Second}

// heard is what a watcher was told.
type heard struct {
	mu  sync.Mutex
	all []presence.Event
}

func watch(s *redisstore.Store) *heard {
	h := &heard{}
	s.Watch(func(e presence.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, e)
	})
	return h
}

// count returns how many events f holds for.
func (h *heard) count(f func(presence.Event) bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, e := range h.all {
		if f(e) {
			n++
		}
	}
	return n
}

func (h *heard) kind(k presence.Kind, user string) int {
	return h.count(func(e presence.Event) bool {
		return e.Change != nil && e.Change.Kind == k && (user == "" || e.Change.User == user)
	})
}

func (h *heard) lost() int {
	return h.count(func(e presence.Event) bool { return e.Lost > 0 })
}

func (h *heard) evicted(device string, cause presence.Cause) int {
	return h.count(func(e presence.Event) bool {
		return e.Eviction != nil && e.Eviction.Device == device && e.Eviction.Cause == cause
	})
}

func entryOf(room, user, device string, grace time.Duration) presence.Entry {
	return presence.Entry{Seat: presence.Seat{Room: room, User: user, Device: device}, Grace: grace}
}

func join(tb testing.TB, s *redisstore.Store, e presence.Entry) {
	tb.Helper()
	siotest.Eventually(tb, "a seat", func() bool {
		err := s.Join(tb.Context(), e)
		if err != nil && !errors.Is(err, presence.ErrUnavailable) { // the machine may be busy
			tb.Errorf("Join: %v", err)
			return true
		}
		return err == nil
	})
}

func leave(tb testing.TB, s *redisstore.Store, e presence.Entry, now bool) {
	tb.Helper()
	siotest.Eventually(tb, "a seat is given up", func() bool { return s.Leave(tb.Context(), presence.CauseLeft, now, e.Seat) == nil })
}

// record returns what s knows of a user; it is the zero Record if Redis is away.
func record(tb testing.TB, s *redisstore.Store, room, user string) presence.Record {
	tb.Helper()
	all, err := s.Get(tb.Context(), room, user)
	if err != nil || len(all) != 1 {
		return presence.Record{}
	}
	return all[0]
}

func seated(tb testing.TB, s *redisstore.Store, room, user string) bool {
	tb.Helper()
	return len(record(tb, s, room, user).Devices) > 0
}

// crowd takes n seats in the room "" and in a room.
func crowd(tb testing.TB, s *redisstore.Store, name string, n int, grace time.Duration) {
	tb.Helper()
	for i := range n {
		user := fmt.Sprint(name, i)
		siotest.Eventually(tb, "a seat", func() bool { // the machine may be busy
			return s.Join(tb.Context(), entryOf("", user, user, grace)) == nil &&
				s.Join(tb.Context(), entryOf("room", user, user, grace)) == nil
		})
	}
}

// present returns how many of a crowd are seated in both.
func present(tb testing.TB, s *redisstore.Store, name string, n int) int {
	tb.Helper()
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprint(name, i)
	}
	count := 0
	for _, room := range []string{"", "room"} {
		all, err := s.Get(tb.Context(), room, users...)
		if err != nil {
			return -1
		}
		for _, r := range all {
			if len(r.Devices) == 1 {
				count++
			}
		}
	}
	return count / 2
}

// many is the size of the crowds of which nobody must be forgotten.
const many = 150

func (h *heard) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = nil
}
