package session

import (
	"slices"
	"time"
)

// freeze returns a copy of values that nobody can change in place, or nil if that is
// impossible: then there is no telling what change has done to them.
func freeze(values map[any]any) map[any]any {
	frozen := make(map[any]any, len(values))
	for k, v := range values {
		c, ok := frozenValue(v)
		if !ok {
			return nil
		}
		frozen[k] = c
	}
	return frozen
}

// frozenValue is freeze for one value: one without pointers, or a list of such values.
func frozenValue(v any) (any, bool) {
	switch v := v.(type) {
	case nil, bool, string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, time.Duration, time.Time:
		return v, true
	case []byte:
		return slices.Clone(v), true
	case []string:
		return slices.Clone(v), true
	case []int:
		return slices.Clone(v), true
	case []any: // such as the flashes of gorilla's sessions
		list := make([]any, len(v))
		for i := range v {
			c, ok := frozenValue(v[i])
			if !ok {
				return nil, false
			}
			list[i] = c
		}
		return list, true
	}
	return nil, false
}
