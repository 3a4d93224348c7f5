package alarm

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestHeap(t *testing.T) {
	t.Parallel()
	var h heap
	armed := make(map[*Alarm]bool)
	check := func() {
		for i, a := range h.all {
			if int(a.pos) != i+1 || !armed[a] || a.at < h.all[max(0, (i-1)/arity)].at {
				t.Fatalf("entry %d of %d is out of place", i, len(h.all))
			}
		}
		if len(armed) != h.len() {
			t.Fatalf("%d entries, want %d", h.len(), len(armed))
		}
	}
	for i := range 20000 {
		// It grows in the first half and shrinks in the second.
		if rand.IntN(10000) > i/2 || len(armed) == 0 {
			a := &Alarm{at: rand.Int64N(1000)}
			armed[a] = true
			h.push(a)
		} else {
			for a := range armed {
				delete(armed, a)
				if !h.remove(a) || h.remove(a) {
					t.Fatal("remove twice: not true and false")
				}
				break
			}
		}
		if i%100 == 0 {
			check()
		}
	}
	for h.len() > 0 {
		h.remove(h.first())
	}
	if cap(h.all) > minCap {
		t.Errorf("an empty heap keeps room for %d", cap(h.all))
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		t    time.Time
		want int64
	}{
		{now, now.UnixNano()},
		{time.Unix(0, 0), 0},
		{time.Time{}, math.MinInt64},
		{time.Unix(1<<60, 0), math.MaxInt64},
		{time.Unix(-1<<60, 0), math.MinInt64},
	} {
		if got := unixNano(test.t); got != test.want {
			t.Errorf("unixNano(%v) = %d, want %d", test.t, got, test.want)
		}
	}
	for _, test := range []struct {
		a, b int64
		want time.Duration
	}{
		{5, 3, 2},
		{3, 5, -2},
		{math.MaxInt64, -1, math.MaxInt64},
		{math.MinInt64, 1, math.MinInt64},
	} {
		if got := sub(test.a, test.b); got != test.want {
			t.Errorf("sub(%d, %d) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
