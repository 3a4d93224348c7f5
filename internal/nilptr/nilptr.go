// Package nilptr tells a pointer to nothing that an interface holds, as where a store was never
// made since no address of it is configured: it is not nil, and its methods panic.
package nilptr

import "reflect"

// Is reports whether v is a pointer of some type that is nil.
func Is(v any) bool {
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}
