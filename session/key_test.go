package session_test

import (
	"math"
	"testing"
	"time"

	"github.com/sioware/sioware/session"
)

// in returns what a Key makes of a value.
func in[T any](v any) any { return session.Key[T]("k").In(map[any]any{"k": v}) }

func TestKey(t *testing.T) {
	t.Parallel()
	type point struct{ X int }
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"string", in[string]("x"), "x"},
		{"int of a string", in[int]("1"), 0},
		{"nothing", in[int](nil), 0},
		{"struct", in[point](point{1}), point{1}},
		{"any", in[any](1.5), 1.5},
		{"float64", in[float64](1.5), 1.5},
		{"float64 of an int", in[float64](1), 0.0},
		{"int", in[int](41.0), 41},
		{"int8", in[int8](-128.0), int8(-128)},
		{"int8 that is too large", in[int8](128.0), int8(0)},
		{"int16", in[int16](-32768.0), int16(-32768)},
		{"int16 that is too small", in[int16](-32769.0), int16(0)},
		{"int32", in[int32](math.MaxInt32 * 1.0), int32(math.MaxInt32)},
		{"int64", in[int64](1<<53 - 1.0), int64(1<<53 - 1)},
		{"int64 that is not exact", in[int64](float64(1 << 53)), int64(0)},
		{"int64 that is not exact below", in[int64](-float64(1 << 53)), int64(0)},
		{"uint", in[uint](7.0), uint(7)},
		{"uint of less than zero", in[uint](-1.0), uint(0)},
		{"uint8", in[uint8](255.0), uint8(255)},
		{"uint8 that is too large", in[uint8](256.0), uint8(0)},
		{"uint16", in[uint16](65535.0), uint16(65535)},
		{"uint32", in[uint32](math.MaxUint32 * 1.0), uint32(math.MaxUint32)},
		{"uint64", in[uint64](5.0), uint64(5)},
		{"uint64 of less than zero", in[uint64](-5.0), uint64(0)},
		{"a fraction", in[int](0.5), 0},
		{"no number", in[int](math.NaN()), 0},
		{"without end", in[int64](math.Inf(1)), int64(0)},
		{"minus zero", in[int](math.Copysign(0, -1)), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v (%T), want %v (%T)", c.name, c.got, c.got, c.want, c.want)
		}
	}
	values := map[any]any{"count": "x"}
	count.Set(values, 3)
	if values["count"] != 3 || count.In(values) != 3 {
		t.Errorf("got %v", values)
	}
	if count.Delete(values); len(values) != 0 {
		t.Errorf("got %v", values)
	}
}

// TestDuration: a Key of a named integer type finds the number that JSON has made of it.
func TestDuration(t *testing.T) {
	t.Parallel()
	store := newMemory()
	_, cookie := plain(t, store, "", func(values map[any]any) { values["d"] = 5e9 })
	s := serve(t, newManager(t, store, nil))
	_, sess := s.join(t, with(cookie))
	if d, ok := session.Key[time.Duration]("d").Get(sess); d != 5*time.Second || !ok {
		t.Errorf("got %v, %v", d, ok)
	}
}
