// Package nilptr detects a nil pointer inside an interface, such as a store that was
// never created because no address is configured for it: the interface is not nil, and
// its methods panic.
package nilptr

import "reflect"

// Is reports whether v holds a nil pointer.
func Is(v any) bool {
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}
