// Package millis has the times that all stores of package jwtauth compare: milliseconds
// since 1970, of the years 1 to 9999.
package millis

import "time"

// Of returns t.UnixMilli, clamped to the years 1 to 9999.
func Of(t time.Time) int64 {
	const first, last = -62135596800, 253402300799
	if s := t.Unix(); s < first || s > last {
		return max(first, min(s, last)) * 1000
	}
	return t.UnixMilli()
}

// Ceil is Of rounded up: nothing that was issued before t is left out.
func Ceil(t time.Time) int64 { return Of(t.Add(time.Millisecond - 1)) }
