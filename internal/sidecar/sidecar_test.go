package sidecar_test

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
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

// A key may be shared by more Maps than one entry has room for, each with its own value
// type.
func TestShared(t *testing.T) {
	t.Parallel()
	var numbers [20]sidecar.Map[key, int]
	var texts [20]sidecar.Map[key, string]
	k, other := new(key), new(key)
	var wg sync.WaitGroup
	for i := range numbers {
		text := strconv.Itoa(i)
		wg.Go(func() { numbers[i].Store(k, &i) })
		wg.Go(func() {
			if _, stored := texts[i].LoadOrStore(k, &text); !stored {
				t.Errorf("text %d: another value was there", i)
			}
		})
	}
	wg.Wait()
	var late sidecar.Map[key, string]
	if late.Load(k) != nil {
		t.Error("a Map without values has one")
	}
	for i := range numbers {
		if v := numbers[i].Load(k); v == nil || *v != i {
			t.Errorf("number %d is %v", i, v)
		}
		if v := texts[i].Load(k); v == nil || *v != strconv.Itoa(i) {
			t.Errorf("text %d is %v", i, v)
		}
		if numbers[i].Load(other) != nil || numbers[i].Len() != 1 {
			t.Errorf("number %d: %d values, beside another key %v", i, numbers[i].Len(), numbers[i].Load(other))
		}
	}
	runtime.KeepAlive(k)
	runtime.KeepAlive(other)
}

// The values of keys that are gone are gone too, and a new object at an old address never
// sees the value of its predecessor.
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

// A Map that has no value yet must not find one that is being added to another.
func TestUnused(t *testing.T) {
	var used sidecar.Map[key, int]
	var unused sidecar.Map[key, string]
	var current atomic.Pointer[key]
	var found, stop atomic.Bool
	current.Store(new(key))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() && !found.Load() {
			found.Store(unused.Load(current.Load()) != nil)
		}
	}()
	for range 100_000 {
		k := new(key)
		current.Store(k)
		used.Store(k, new(int))
	}
	stop.Store(true)
	<-done
	if found.Load() {
		t.Error("a Map without values has one")
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

// The cost of a socket in a server with one of each package, including its collection.
func BenchmarkStore(b *testing.B) {
	var maps [6]sidecar.Map[key, int]
	v := new(int)
	b.ReportAllocs()
	for b.Loop() {
		k := new(key)
		for i := range maps {
			maps[i].Store(k, v)
		}
	}
}
