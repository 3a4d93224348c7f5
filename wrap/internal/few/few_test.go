package few_test

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/sioware/sioware/wrap/internal/few"
)

// TestMap: a Map behaves like a map, however its entries come and go.
func TestMap(t *testing.T) {
	var f few.Map[int, int]
	m := make(map[int]int)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		switch k := r.IntN(4); r.IntN(3) {
		case 0:
			f.Remove(k)
			delete(m, k)
		default:
			f.Set(k, i)
			m[k] = i
		}
		if i%10 == 0 {
			odd := func(k int) bool { return k%2 == 1 }
			for k := range f.All() {
				if odd(k) {
					f.Remove(k)
				}
			}
			maps.DeleteFunc(m, func(k, _ int) bool { return odd(k) })
		}
		if got := maps.Collect(f.All()); !maps.Equal(got, m) || f.Len() != len(m) {
			t.Fatalf("step %d: %v, want %v", i, got, m)
		}
		for k := range 4 {
			v, ok := f.Get(k)
			if want, there := m[k]; v != want || ok != there {
				t.Fatalf("step %d: %d is %d, %t", i, k, v, ok)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { f = few.Map[int, int]{}; f.Set(1, 2); f.Remove(1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
