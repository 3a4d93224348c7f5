package wrap

import "iter"

// few is a map that mostly has one entry, as a connection has one namespace: that one
// takes no memory of its own. The zero value is empty and ready for use.
type few[K comparable, V any] struct {
	key   K
	value V
	used  bool // key and value are an entry
	more  map[K]V
}

func (f *few[K, V]) get(key K) (V, bool) {
	if f.used && f.key == key {
		return f.value, true
	}
	v, ok := f.more[key]
	return v, ok
}

func (f *few[K, V]) set(key K, value V) {
	if _, ok := f.more[key]; !ok && (!f.used || f.key == key) {
		f.key, f.value, f.used = key, value, true
		return
	}
	if f.more == nil {
		f.more = make(map[K]V)
	}
	f.more[key] = value
}

func (f *few[K, V]) remove(key K) {
	if f.used && f.key == key {
		*f = few[K, V]{more: f.more}
		return
	}
	delete(f.more, key)
}

func (f *few[K, V]) len() int {
	if f.used {
		return 1 + len(f.more)
	}
	return len(f.more)
}

// all returns the entries. The one that is at hand may be removed meanwhile.
func (f *few[K, V]) all() iter.Seq2[K, V] {
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
