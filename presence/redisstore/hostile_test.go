package redisstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// hostile are names that would break what is not prepared for them.
var hostile = []string{
	"__proto__", "constructor", "{}", "{p1}", "}", "*", ":", "a:b", "\n", "\r\n", "\t", " ", "'", `"`, `\`,
	"\xff", "\xff\x00\xfe", "\x00", "a\x00b", "%s%d", "-", "+", "[", "(a", "-inf", "nil", "0", "1:1", "é", "\u202e", "m", "e", "n",
	strings.Repeat("x", 5000), "KEYS[1]", "return redis.call('FLUSHALL')",
}

func TestHostile(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), own())
	h := watch(s)
	rooms := []string{""}
	for _, room := range hostile {
		if !strings.Contains(room, "\x00") {
			rooms = append(rooms, room)
		} else if err := s.Join(t.Context(), entryOf(room, "u", "1", 0)); !errors.Is(err, presence.ErrRoom) {
			t.Errorf("Join in %q: %v", room, err)
		}
	}
	for _, room := range rooms {
		for i, user := range hostile {
			e := entryOf(room, user, fmt.Sprint("d", i), 0)
			e.Meta = json.RawMessage(`"` + user + `"`) // whatever it is
			join(t, s, e)
		}
	}
	for _, room := range rooms {
		all, err := s.Get(t.Context(), room, hostile...)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range all {
			if r.Room != room || r.User != hostile[i] || len(r.Devices) != 1 || string(r.Devices[0].Meta) != `"`+hostile[i]+`"` {
				t.Errorf("%+.500v", r)
			}
		}
		if n, err := s.Count(t.Context(), room); n != len(hostile) || err != nil {
			t.Errorf("%q: %d, %v", room, n, err)
		}
		found := listed(t, s, room)
		for _, user := range hostile {
			if found[user] != 1 || len(found) != len(hostile) {
				t.Errorf("%q: %q is listed %d times of %d", room, user, found[user], len(found))
			}
		}
	}
	siotest.Eventually(t, "all are told", func() bool {
		return h.kind(presence.Online, "") == len(hostile) && h.kind(presence.Joined, "") == len(hostile)*(len(rooms)-1)
	})
	for _, user := range hostile {
		if n, err := s.Evict(t.Context(), user, presence.CauseKicked, user); n != 1 || err != nil {
			t.Errorf("Evict %q: %d, %v", user, n, err)
		}
		siotest.Eventually(t, "told", func() bool {
			return h.count(func(e presence.Event) bool {
				return e.Eviction != nil && e.Eviction.User == user && e.Eviction.Reason == user
			}) == 1
		})
	}
}

// listed returns how often each user is in the pages of a room.
func listed(t *testing.T, s *redisstore.Store, room string) map[string]int {
	t.Helper()
	found := make(map[string]int)
	for cursor, pages := "", 0; ; pages++ {
		page, next, err := s.List(t.Context(), room, cursor, 4)
		if err != nil || pages > 1000 {
			t.Fatalf("%q from %q: %v", room, cursor, err)
		}
		for _, r := range page {
			if r.Room != room {
				t.Errorf("%q in %q", r.Room, room)
			}
			found[r.User]++
		}
		if cursor = next; cursor == "" {
			return found
		}
	}
}

// A cursor of another room reveals nothing about it.
func TestCursor(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), own())
	for _, user := range []string{"a", "b", "c"} {
		join(t, s, entryOf("", user, user, 0))
		join(t, s, entryOf("r", user, user, 0))
	}
	_, cursor, err := s.List(t.Context(), "r", "", 1)
	if err != nil || cursor == "" {
		t.Fatalf("%q, %v", cursor, err)
	}
	for _, bad := range []string{cursor, "x", "-1:", "64:", "1", ":", "1:x", "99999999999999999999:", "1:m\x00", "\xff"} {
		for name, f := range map[string]func() ([]presence.Record, string, error){
			"other room": func() ([]presence.Record, string, error) { return s.List(t.Context(), "q", bad, 10) },
			"everywhere": func() ([]presence.Record, string, error) { return s.List(t.Context(), "", bad, 10) },
			"all":        func() ([]presence.Record, string, error) { return s.Scan(t.Context(), bad, 10) },
		} {
			records, _, err := f()
			for _, r := range records {
				if name != "all" && (name == "other room" || r.Room != "") {
					t.Errorf("%s, %q: %+v", name, bad, r)
				}
			}
			if (bad == "x" || bad == "64:" || bad == "-1:") && err == nil {
				t.Errorf("%s, %q: no error", name, bad)
			}
		}
	}
}
