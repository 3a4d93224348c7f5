package millis_test

import (
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth/internal/millis"
)

func TestOf(t *testing.T) {
	t.Parallel()
	const first, last = -62135596800_000, 253402300799_000
	for _, tt := range []struct {
		at       time.Time
		of, ceil int64
	}{
		{time.Unix(1, 0), 1000, 1000},
		{time.Unix(1, 1), 1000, 1001},
		{time.Unix(1, 999_999), 1000, 1001},
		{time.Unix(-1, 1), -1000, -999},
		{time.Time{}, first, first},
		{time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), first, first},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), last, last},
		{time.Unix(1<<62, 0), last, last},
	} {
		if of, ceil := millis.Of(tt.at), millis.Ceil(tt.at); of != tt.of || ceil != tt.ceil {
			t.Errorf("%v: %d, %d, want %d, %d", tt.at, of, ceil, tt.of, tt.ceil)
		}
	}
}
