// Package unit finds durations that were written without a unit: a constant such as 30
// compiles, and is 30 nanoseconds.
package unit

import (
	"fmt"
	"time"
)

// Least is the shortest duration that an option may reasonably have.
const Least = time.Millisecond

// Check returns an error if d, an option called name, is positive and less than Least.
func Check(name string, d time.Duration) error {
	if d <= 0 || d >= Least {
		return nil
	}
	return fmt.Errorf("%s: %v is less than %v; is a unit missing?", name, d, Least)
}
