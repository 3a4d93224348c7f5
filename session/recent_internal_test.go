package session

import (
	"fmt"
	"testing"
	"time"
)

// TestRecent: what has been added is remembered for one to two lives, and no more than
// two generations of it.
func TestRecent(t *testing.T) {
	t.Parallel()
	const life, most = time.Minute, 100
	start := time.Unix(1e9, 0)
	for age, want := range map[time.Duration]bool{
		0: true, life - 1: true, life: true, 2*life - 1: true, 2 * life: false, 10 * life: false,
	} {
		r := recent[int]{life: life, max: most}
		r.add("a", 7, start)
		if v, ok := r.get("a", start.Add(age)); ok != want || ok && v != 7 {
			t.Errorf("after %v: %v, %v", age, v, ok)
		}
		if r.has("b", start.Add(age)) {
			t.Error("b")
		}
	}
	r := recent[int]{life: life, max: most}
	for i := range 5 * most {
		r.add(fmt.Sprint(i), i, start)
		if len(r.young)+len(r.old) > 2*most {
			t.Fatalf("%d values", len(r.young)+len(r.old))
		}
	}
	if !r.has(fmt.Sprint(5*most-1), start) || r.has("0", start) {
		t.Error("the wrong ones are remembered")
	}
}

// TestRecentLatest: of two values of one key the later one counts.
func TestRecentLatest(t *testing.T) {
	t.Parallel()
	start := time.Unix(1e9, 0)
	r := recent[int]{life: time.Minute, max: 1}
	r.add("a", 1, start)
	r.add("a", 2, start)
	if v, _ := r.get("a", start); v != 2 {
		t.Errorf("got %d", v)
	}
}

// TestRecentSteady: what is added now and then is remembered for at least one life.
func TestRecentSteady(t *testing.T) {
	t.Parallel()
	r := recent[int]{life: time.Minute, max: 100}
	now := time.Unix(1e9, 0)
	r.add("first", 1, now)
	r.add("late", 2, now.Add(time.Minute-time.Second))
	r.add("next", 3, now.Add(time.Minute))
	if !r.has("late", now.Add(time.Minute)) {
		t.Error("forgotten after a second")
	}
	if !r.has("first", now.Add(time.Minute)) {
		t.Error("forgotten after a minute")
	}
}
