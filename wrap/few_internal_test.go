package wrap

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestFew: few is what a map is, however its entries come and go.
func TestFew(t *testing.T) {
	var f few[int, int]
	m := make(map[int]int)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		switch k := r.IntN(4); r.IntN(3) {
		case 0:
			f.remove(k)
			delete(m, k)
		default:
			f.set(k, i)
			m[k] = i
		}
		if i%10 == 0 {
			odd := func(k int) bool { return k%2 == 1 }
			for k := range f.all() {
				if odd(k) {
					f.remove(k)
				}
			}
			maps.DeleteFunc(m, func(k, _ int) bool { return odd(k) })
		}
		if got := maps.Collect(f.all()); !maps.Equal(got, m) || f.len() != len(m) {
			t.Fatalf("step %d: %v, want %v", i, got, m)
		}
		for k := range 4 {
			v, ok := f.get(k)
			if want, there := m[k]; v != want || ok != there {
				t.Fatalf("step %d: %d is %d, %t", i, k, v, ok)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { f = few[int, int]{}; f.set(1, 2); f.remove(1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
