package unit_test

import (
	"testing"
	"time"

	"github.com/sioware/sioware/internal/unit"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-1: "", 0: "", time.Millisecond: "", time.Hour: "",
		30:                   "Leeway: 30ns is less than 1ms; is a unit missing?",
		time.Millisecond - 1: "Leeway: 999.999µs is less than 1ms; is a unit missing?",
	} {
		got := ""
		if err := unit.Check("Leeway", d); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}
