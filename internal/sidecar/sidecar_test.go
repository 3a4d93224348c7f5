package sidecar_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/sidecar"
)

type key [4]int

func TestMap(t *testing.T) {
	t.Parallel()
	var m sidecar.Map[key, string]
	a, b := new(key), new(key)
	if v := m.Load(a); v != nil {
		t.Fatalf("empty map has %q", *v)
	}
	one, two := "one", "two"
	if v, stored := m.LoadOrStore(a, &one); !stored || v != &one {
		t.Fatal("first LoadOrStore did not store")
	}
	if v, stored := m.LoadOrStore(a, &two); stored || v != &one {
		t.Fatal("second LoadOrStore replaced the value")
	}
	if m.Load(b) != nil {
		t.Fatal("value of a found beside b")
	}
	m.Store(a, &two)
	if m.Load(a) != &two {
		t.Fatal("Store did not replace")
	}
	m.Store(b, &one)
	if m.Load(b) != &one || m.Len() != 2 {
		t.Fatalf("Store did not add; %d entries", m.Len())
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

// Keys that are gone take their values along, and a new object at an old
// address never sees the value of its predecessor.
func TestCollected(t *testing.T) {
	t.Parallel()
	var m sidecar.Map[key, int]
	for i := range 50_000 {
		k := new(key)
		if v := m.Load(k); v != nil {
			t.Fatalf("object %d starts with the value of object %d", i, *v)
		}
		m.Store(k, &i)
		if v := m.Load(k); v == nil || *v != i {
			t.Fatalf("object %d has lost its value", i)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for m.Len() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d entries left after all keys were dropped", m.Len())
		}
		runtime.GC()
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	var m sidecar.Map[key, int]
	shared := new(key)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2_000 {
				k := new(key)
				m.Store(k, &i)
				m.LoadOrStore(shared, &g)
				if v := m.Load(k); v == nil || *v != i {
					t.Errorf("lost value %d", i)
					return
				}
				if i%500 == 0 {
					runtime.GC()
				}
			}
		})
	}
	wg.Wait()
	if m.Load(shared) == nil {
		t.Error("shared key has no value")
	}
}

func BenchmarkLoad(b *testing.B) {
	var m sidecar.Map[key, int]
	keys := make([]*key, 100_000)
	for i := range keys {
		keys[i] = new(key)
		m.Store(keys[i], &i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if m.Load(keys[i%1024]) == nil {
			b.Fatal("missing")
		}
		i++
	}
	runtime.KeepAlive(keys)
}
