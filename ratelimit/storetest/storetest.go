package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

// Run tests a [ratelimit.Store] against its documentation, and if it is a
// [ratelimit.SlotStore] against that too; a failure quotes the sentence. It calls open
// for each case, from tests that run in parallel. open must have t.Cleanup close what
// it opens. The store need not be empty, and may be the same each time.
func Run(t *testing.T, open func(t *testing.T) ratelimit.Store) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, c, open(t))
			if c.slots && k.slots == nil {
				t.Skipf("%T is not a SlotStore", k.store)
			}
			c.run(k)
		})
	}
}

func cases() []storeCase {
	all := slices.Concat(takeCases, argumentCases, keyCases, timeCases, sharedCases, changeCases)
	for _, c := range slotCases {
		c.slots = true
		all = append(all, c)
	}
	return all
}

// storeCase is a sentence of the documentation, and the test for it.
type storeCase struct {
	name, says string
	run        func(k *kit)
	slots      bool
}

const (
	// patience is how long the tests wait for what must happen.
	patience = 10 * time.Second
	// soon is how long a call may take whose context has ended.
	soon = 5 * time.Second
	// slack is how much a store's clock may differ from ours within a case.
	slack = time.Second
)

// kit is what a case works with.
type kit struct {
	testing.TB
	store    ratelimit.Store
	slots    ratelimit.SlotStore // nil if store is not a SlotStore
	says     string
	start    time.Time
	tag      string // separates the keys of this case from all else in the store
	patience time.Duration
}

func newKit(tb testing.TB, c storeCase, s ratelimit.Store) *kit {
	k := &kit{TB: tb, store: s, says: c.says, start: time.Now(), tag: rand.Text(), patience: patience}
	k.slots, _ = s.(ratelimit.SlotStore)
	return k
}

// fail reports an error with the sentence that is broken.
func (k *kit) fail(format string, args ...any) {
	k.Helper()
	k.Errorf("%s\nthe contract: %q", fmt.Sprintf(format, args...), k.says)
}

// key returns a key of this case.
func (k *kit) key(name string) string { return k.tag + name }

// take takes n, and checks what must hold for every verdict.
func (k *kit) take(key string, l ratelimit.Limit, n int64) ratelimit.Verdict {
	k.Helper()
	v, err := k.store.Take(k.Context(), key, l, n)
	if err != nil {
		k.Fatalf("Take of %d under %v: %v", n, l, err)
	}
	k.sound(v, l, n)
	return v
}

// sound checks a verdict for consistency.
func (k *kit) sound(v ratelimit.Verdict, l ratelimit.Limit, n int64) {
	k.Helper()
	full := fill(l, l.Size())
	switch {
	case v.Limit != l.Size(), v.Remaining < 0, v.Remaining > v.Limit:
		k.fail("%d under %v: Limit %d, Remaining %d", n, l, v.Limit, v.Remaining)
	case v.ResetAfter < 0, v.ResetAfter > full:
		k.fail("%d under %v: ResetAfter %v, an empty bucket takes %v", n, l, v.ResetAfter, full)
	case (v.Remaining == v.Limit) != (v.ResetAfter == 0):
		k.fail("%d under %v: ResetAfter %v with %d of %d there", n, l, v.ResetAfter, v.Remaining, v.Limit)
	case v.Allowed && v.RetryAfter != 0:
		k.fail("%d under %v: allowed, RetryAfter %v", n, l, v.RetryAfter)
	case !v.Allowed && n > l.Size() && v.RetryAfter != ratelimit.Never:
		k.fail("%d under %v: RetryAfter %v, want Never", n, l, v.RetryAfter)
	case !v.Allowed && n <= l.Size() && (v.RetryAfter <= 0 || v.RetryAfter > fill(l, n)):
		k.fail("%d under %v: refused, RetryAfter %v", n, l, v.RetryAfter)
	case v.Degraded, v.Policy != "":
		k.fail("%d under %v: Degraded %v, Policy %q", n, l, v.Degraded, v.Policy)
	}
}

// allowed takes n, which must be allowed and leave remaining.
func (k *kit) allowed(what, key string, l ratelimit.Limit, n, remaining int64) {
	k.Helper()
	if v := k.take(key, l, n); !v.Allowed || v.Remaining != remaining {
		k.fail("%s: %+v, want allowed, %d remaining", what, v, remaining)
	}
}

// refused tries to take n, which must be refused and leave remaining.
func (k *kit) refused(what, key string, l ratelimit.Limit, n, remaining int64) ratelimit.Verdict {
	k.Helper()
	v := k.take(key, l, n)
	if v.Allowed || v.Remaining != remaining {
		k.fail("%s: %+v, want refused, %d remaining", what, v, remaining)
	}
	return v
}

// about checks a time that was at least want when the case began, and has been
// running down since.
func (k *kit) about(what string, got, want time.Duration) {
	k.Helper()
	if least := want - time.Since(k.start) - slack; got > want || got < least {
		k.fail("%s is %v, want %v to %v", what, got, least, want)
	}
}

// is checks that err wraps want.
func (k *kit) is(err, want error) {
	k.Helper()
	if !errors.Is(err, want) {
		k.fail("error %v, want one that wraps %q", err, want)
	}
}

// eventually waits for f to hold.
func (k *kit) eventually(f func() bool) bool {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), k.patience)
	defer cancel()
	for !f() {
		if !wait(ctx, 2*time.Millisecond) {
			return false
		}
	}
	return true
}

// wait waits for d, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fill returns how long n tokens take to come back, rounded up far enough for the
// limits that the cases use.
func fill(l ratelimit.Limit, n int64) time.Duration {
	count, per := l.Rate()
	return time.Duration(n) * ((per + time.Duration(count) - 1) / time.Duration(count))
}

// odd returns strings that a store might confuse with each other, or fail to keep.
// No two are equal in the first half of the first 1 MB.
func odd() []string {
	long := string(make([]byte, 1<<20))
	return []string{
		" ", "  ", "\t", "\n", "\r\n", "\r\n$1\r\n", "\x00", "\x00\x00", "a\x00b", "a\x00c",
		"{", "}", "{}", "{a}", "a{b}c", "a:b", "a|b", "a/b", "*", "?", "\\", "'", `"`, "%s%n", "..",
		"\xff", "\xfe", "\xff\xfe", "\xc3\x28", "\ufffd", "ä", "a\u0308", "A", "a", "0", "00", "-1",
		long + "a", long + "b", long,
	}
}
