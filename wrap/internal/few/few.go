// Package few provides a map that usually has one entry.
package few

import "iter"

// Map is a map that usually has one entry, as a connection has one namespace; a single
// entry needs no allocation. The zero value is empty and ready for use.
type Map[K comparable, V any] struct {
	key   K
	value V
	used  bool // key and value are an entry
	more  map[K]V
}

// Get returns the value of key, and whether there is one.
func (f *Map[K, V]) Get(key K) (V, bool) {
	if f.used && f.key == key {
		return f.value, true
	}
	v, ok := f.more[key]
	return v, ok
}

// Set sets the value of key.
func (f *Map[K, V]) Set(key K, value V) {
	if _, ok := f.more[key]; !ok && (!f.used || f.key == key) {
		f.key, f.value, f.used = key, value, true
		return
	}
	if f.more == nil {
		f.more = make(map[K]V)
	}
	f.more[key] = value
}

// Remove removes key, if present.
func (f *Map[K, V]) Remove(key K) {
	if f.used && f.key == key {
		*f = Map[K, V]{more: f.more}
		return
	}
	delete(f.more, key)
}

// Len returns the number of entries.
func (f *Map[K, V]) Len() int {
	if f.used {
		return 1 + len(f.more)
	}
	return len(f.more)
}

// All returns the entries. The current one may be removed during the iteration.
func (f *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if f.used && !yield(f.key, f.value) {
			return
		}
		for k, v := range f.more {
			if !yield(k, v) {
				return
			}
		}
	}
}
