package session

import (
	"math"
	"reflect"
)

// Key is the name of a value of type T in sessions. It is the same plain string
// by which HTTP handlers find the value:
//
//	const visits session.Key[int] = "visits"
//
//	n, _ := visits.Get(sess)
//	err := sess.Update(ctx, func(values map[any]any) error {
//		visits.Set(values, visits.In(values)+1)
//		return nil
//	})
type Key[T any] string

// Get returns the value in s, and false if there is none of this type. It takes no lock.
//
// A store that keeps sessions as JSON returns each number as a float64; if T is an
// integer type, such as time.Duration, a number that is whole and fits is converted.
func (k Key[T]) Get(s *Session) (T, bool) {
	v, _ := s.Get(string(k))
	return as[T](v)
}

// In returns the value in values, those of [Session.Update], or the zero value if
// there is none of this type.
func (k Key[T]) In(values map[any]any) T {
	v, _ := as[T](values[string(k)])
	return v
}

// Set puts v into values.
func (k Key[T]) Set(values map[any]any, v T) { values[string(k)] = v }

// Delete removes the value from values.
func (k Key[T]) Delete(values map[any]any) { delete(values, string(k)) }

// as returns v as a T.
func as[T any](v any) (t T, ok bool) {
	if t, ok = v.(T); ok {
		return t, true
	}
	f, number := v.(float64)
	if !number || !(f > -exact && f < exact) || f != math.Trunc(f) {
		return t, false
	}
	switch r := reflect.ValueOf(&t).Elem(); {
	case r.CanInt() && !r.OverflowInt(int64(f)):
		r.SetInt(int64(f))
	case r.CanUint() && f >= 0 && !r.OverflowUint(uint64(f)):
		r.SetUint(uint64(f))
	default:
		return t, false
	}
	return t, true
}

// exact is the bound below which a float64 represents each whole number exactly.
const exact = 1 << 53
