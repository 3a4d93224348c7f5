package siotest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Failures runs f as a test of its own, with the cleanups that it registers, and returns
// its failures: for testing test helpers.
func Failures(t *testing.T, f func(tb testing.TB)) []string {
	t.Helper()
	r := &recorder{TB: t}
	r.run(func() { f(r) })
	for cleanup := r.last(); cleanup != nil; cleanup = r.last() {
		r.run(cleanup)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures
}

// recorder is a test that records its failures.
type recorder struct {
	testing.TB

	mu       sync.Mutex
	cleanups []func()
	failures []string
}

// run runs f on a goroutine, which f may end.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// last removes the last cleanup and returns it, or nil if there is none.
func (r *recorder) last() func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.cleanups) - 1
	if n < 0 {
		return nil
	}
	f := r.cleanups[n]
	r.cleanups = r.cleanups[:n]
	return f
}

func (r *recorder) fail(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}

func (r *recorder) Helper()                           {}
func (r *recorder) Error(args ...any)                 { r.fail(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }
func (r *recorder) Fail()                             { r.fail("failed") }
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); runtime.Goexit() }
func (r *recorder) FailNow()                          { r.Fail(); runtime.Goexit() }
