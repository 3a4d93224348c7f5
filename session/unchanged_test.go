package session_test

import (
	"encoding/gob"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// note is a value with a pointer to it.
type note struct{ Text string }

// registerTypes tells gob of the types that the tests keep.
var registerTypes = sync.OnceFunc(func() {
	gob.Register(time.Time{})
	gob.Register(time.Duration(0))
	gob.Register(&note{})
	gob.Register(map[string]int{})
	gob.Register([]note{})
})

// stores are one in memory, which hands out what it has, and one that encodes it.
func stores(t testing.TB) map[string]sessions.Store {
	t.Helper()
	registerTypes()
	return map[string]sessions.Store{"memory": newMemory(), "files": files(t)}
}

// TestUnchanged: a change that changes nothing saves nothing, whatever plain values and
// lists of such the session holds, and one that changes an element in place saves it.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	for name, inner := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &tap{Store: inner}
			s := serve(t, newManager(t, store, nil))
			_, sess := s.join(t, siotest.Dial{})
			saves := func(what string, want int64, change func(values map[any]any)) {
				t.Helper()
				before := store.saves.Load()
				if err := sess.Update(t.Context(), func(values map[any]any) error { change(values); return nil }); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if n := store.saves.Load() - before; n != want {
					t.Errorf("%s: %d saves, want %d", what, n, want)
				}
			}
			at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
			saves("first", 1, func(values map[any]any) {
				values["at"], values["took"], values["tags"] = at, time.Second, []string{"a", "b"}
				values["raw"], values["ids"] = []byte("ab"), []int{1, 2}
				values["_flash"] = []any{"saved", 1, []any{"x", []string{"deep"}}}
				values[7], values["none"], values["ok"], values["pi"] = uint8(1), nil, true, 3.5
			})
			for range 3 {
				saves("nothing", 0, func(map[any]any) {})
			}
			saves("equal values", 0, func(values map[any]any) {
				values["at"], values["tags"], values["raw"] = values["at"].(time.Time), []string{"a", "b"}, []byte("ab")
				values["_flash"] = slices.Clone(values["_flash"].([]any))
			})
			saves("there and back", 0, func(values map[any]any) {
				values["tags"].([]string)[0] = "x"
				values["tags"].([]string)[0] = "a"
			})
			for what, change := range map[string]func(values map[any]any){
				"[]string":   func(values map[any]any) { values["tags"].([]string)[1] = "c" },
				"[]byte":     func(values map[any]any) { values["raw"].([]byte)[0] = 'x' },
				"[]int":      func(values map[any]any) { values["ids"].([]int)[0] = 9 },
				"[]any":      func(values map[any]any) { values["_flash"].([]any)[0] = "lost" },
				"deep":       func(values map[any]any) { values["_flash"].([]any)[2].([]any)[1].([]string)[0] = "deeper" },
				"time":       func(values map[any]any) { values["at"] = values["at"].(time.Time).Add(1) },
				"other type": func(values map[any]any) { values[7] = uint16(1) },
				"shorter":    func(values map[any]any) { values["ids"] = values["ids"].([]int)[:1] },
			} {
				saves(what, 1, change)
				saves(what+", and nothing", 0, func(map[any]any) {})
			}
			if err := sess.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			tags, _ := session.Key[[]string]("tags").Get(sess)
			flash, _ := session.Key[[]any]("_flash").Get(sess)
			raw, _ := session.Key[[]byte]("raw").Get(sess)
			then, _ := session.Key[time.Time]("at").Get(sess)
			if !slices.Equal(tags, []string{"a", "c"}) || string(raw) != "xb" || !then.Equal(at.Add(1)) ||
				len(flash) != 3 || flash[0] != "lost" || flash[2].([]any)[1].([]string)[0] != "deeper" {
				t.Errorf("the store has %q, %q, %v, %v", tags, raw, flash, then)
			}
			saves("deleted", 1, func(values map[any]any) { delete(values, "none") })
			saves("deleted again", 0, func(values map[any]any) { delete(values, "none") })
		})
	}
}

// TestAlwaysSaved: a session with a value that can be changed unnoticed is saved by each
// change, and so keeps what was changed in place.
func TestAlwaysSaved(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		value  func() any
		change func(v any)
		text   func(v any) any // what has been changed
	}{
		"pointer": {
			func() any { return &note{"a"} },
			func(v any) { v.(*note).Text = "b" },
			func(v any) any { return v.(*note).Text },
		},
		"map": {
			func() any { return map[string]int{"n": 1} },
			func(v any) { v.(map[string]int)["n"] = 2 },
			func(v any) any { return v.(map[string]int)["n"] },
		},
		"list of structs": {
			func() any { return []note{{"a"}} },
			func(v any) { v.([]note)[0].Text = "b" },
			func(v any) any { return v.([]note)[0].Text },
		},
		"pointer in a list": {
			func() any { return []any{"x", &note{"a"}} },
			func(v any) { v.([]any)[1].(*note).Text = "b" },
			func(v any) any { return v.([]any)[1].(*note).Text },
		},
	} {
		for name, inner := range stores(t) {
			store := &tap{Store: inner}
			s := serve(t, newManager(t, store, nil))
			_, sess := s.join(t, siotest.Dial{})
			want := map[string]any{"map": 2}[kind]
			if want == nil {
				want = "b"
			}
			for i, change := range []func(values map[any]any){
				func(values map[any]any) { values["v"] = c.value() },
				func(map[any]any) {},
				func(map[any]any) {},
				func(values map[any]any) { c.change(values["v"]) },
			} {
				before := store.saves.Load()
				if err := sess.Update(t.Context(), func(values map[any]any) error { change(values); return nil }); err != nil {
					t.Errorf("%s in %s: %v", kind, name, err)
				}
				if n := store.saves.Load() - before; n != 1 {
					t.Errorf("%s in %s, change %d: %d saves", kind, name, i, n)
				}
			}
			if err := sess.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			v, _ := sess.Get("v")
			if got := c.text(v); got != want {
				t.Errorf("%s in %s: the store has %v", kind, name, got)
			}
		}
	}
}

// TestUpdateLooks: Get returns what an Update has found, even one that saves nothing.
func TestUpdateLooks(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, nil))
	c, sess := s.join(t, siotest.Dial{})
	for name, change := range map[string]func(map[any]any) error{
		"bob": func(map[any]any) error { return nil },
		"eve": func(values map[any]any) error { values["name"] = "mallory"; return errSecret },
	} {
		plain(t, store, given(t, c), func(values map[any]any) {
			values["name"], values["list"] = name, []string{name}
		})
		_ = sess.Update(t.Context(), func(values map[any]any) error {
			values["list"].([]string)[0] = "mallory"
			defer func() { values["list"] = []string{name} }()
			return change(values)
		})
		if got, _ := sess.Get("name"); got != name {
			t.Errorf("%v, want %s", got, name)
		}
		if got, _ := sess.Get("list"); !slices.Equal(got.([]string), []string{name}) {
			t.Errorf("%v, want %s", got, name)
		}
	}
}
