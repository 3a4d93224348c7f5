package siotest

import (
	"slices"
	"testing"
)

func TestFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		test func(tb testing.TB)
		want []string
	}{
		"nothing": {func(testing.TB) {}, nil},
		"failed":  {func(tb testing.TB) { tb.Fail(); tb.Error("and on") }, []string{"failed", "and on"}},
		"ended":   {func(tb testing.TB) { tb.FailNow(); tb.Error("and on") }, []string{"failed"}},
		"fatal":   {func(tb testing.TB) { tb.Fatalf("%d", 1); tb.Error("and on") }, []string{"1"}},
		"cleanups": {func(tb testing.TB) {
			tb.Cleanup(func() { tb.Errorf("last, after a failure: %t", tb.Failed()) })
			tb.Cleanup(func() { tb.Fatal("first") })
			tb.Cleanup(func() {
				if tb.Failed() {
					tb.Error("failed before anything has")
				}
			})
		}, []string{"first", "last, after a failure: true"}},
	} {
		if got := Failures(t, tt.test); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
