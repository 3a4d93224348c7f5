package deadline

import "time"

// Each calls f with all at once, each on a goroutine of its own, and waits until the calls
// have returned, but no longer than within. It reports whether all have.
func Each[T any](all []T, within time.Duration, f func(T)) bool {
	done := make(chan struct{}, len(all))
	for _, one := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			f(one)
		}()
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	for range all {
		select {
		case <-done:
		case <-timer.C:
			return false
		}
	}
	return true
}
