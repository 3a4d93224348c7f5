package ratelimit_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	for want, tt := range map[string]struct {
		l    ratelimit.Limit
		n    int64
		per  time.Duration
		size int64
	}{
		"5 per 1s, burst 5":             {ratelimit.PerSecond(5), 5, time.Second, 5},
		"60 per 1m0s, burst 60":         {ratelimit.PerMinute(60), 60, time.Minute, 60},
		"60 per 1m0s, burst 10":         {ratelimit.PerMinute(60).Burst(10), 60, time.Minute, 10},
		"7 per 1h0m0s, burst 7":         {ratelimit.PerHour(7), 7, time.Hour, 7},
		"1 per 20ms, burst 1":           {ratelimit.Every(20 * time.Millisecond), 1, 20 * time.Millisecond, 1},
		"1 per 1ns, burst 3":            {ratelimit.Every(1).Burst(5).Burst(3), 1, 1, 3},
		"1000000000 per 1s, burst 1":    {ratelimit.PerSecond(1e9).Burst(1), 1e9, time.Second, 1},
		"1 per 8784h0m0s, burst 1":      {ratelimit.Every(366 * 24 * time.Hour), 1, 366 * 24 * time.Hour, 1},
		"1 per 1h0m0s, burst 8784":      {ratelimit.PerHour(1).Burst(366 * 24), 1, time.Hour, 366 * 24},
		"1 per 1s, burst 31622400":      {ratelimit.PerSecond(1).Burst(366 * 24 * 3600), 1, time.Second, 366 * 24 * 3600},
		"1000000 per 1h0m0s, burst 100": {ratelimit.PerHour(1e6).Burst(0).Burst(100), 1e6, time.Hour, 100},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := tt.l.String(); got != want {
				t.Errorf("String: %q", got)
			}
			if n, per := tt.l.Rate(); n != tt.n || per != tt.per || tt.l.Size() != tt.size {
				t.Errorf("%d in %v, size %d, want %d in %v, size %d", n, per, tt.l.Size(), tt.n, tt.per, tt.size)
			}
			if err := tt.l.Check(); err != nil {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestLimitCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		l    ratelimit.Limit
		want string
	}{
		"zero":             {ratelimit.Limit{}, "none"},
		"unlimited":        {ratelimit.Unlimited(), "unlimited"},
		"unlimited, burst": {ratelimit.Unlimited().Burst(5), "unlimited"},
		"none in a second": {ratelimit.PerSecond(0), "0 per 1s, burst 0: not positive"},
		"fewer":            {ratelimit.PerMinute(-1), "-1 per 1m0s, burst -1: not positive"},
		"fewer, burst":     {ratelimit.PerHour(-1).Burst(1), "-1 per 1h0m0s, burst 1: not positive"},
		"every zero":       {ratelimit.Every(0), "1 per 0s, burst 1: not positive"},
		"every less":       {ratelimit.Every(-1), "1 per -1ns, burst 1: not positive"},
		"no burst":         {ratelimit.PerSecond(1).Burst(0), "1 per 1s, burst 0: not positive"},
		"negative burst":   {ratelimit.PerSecond(1).Burst(math.MinInt), "not positive"},
		"too fast":         {ratelimit.PerSecond(1e9 + 1), "more than one per nanosecond"},
		"too slow":         {ratelimit.Every(366*24*time.Hour + 1), "longer than 8784h0m0s"},
		"too large":        {ratelimit.PerHour(1).Burst(366*24 + 1), "an empty bucket would take more than 8784h0m0s to fill"},
		"largest":          {ratelimit.PerSecond(1).Burst(math.MaxInt), "burst"},
		"longest":          {ratelimit.Every(math.MaxInt64), "longer than"},
		"zero, burst":      {ratelimit.Limit{}.Burst(5), "not positive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.l.Check()
			if !errors.Is(err, ratelimit.ErrLimit) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want ErrLimit with %q", err, tt.want)
			}
			if n := strings.Count(err.Error(), "ratelimit: "); n != 1 {
				t.Errorf("%v: names the package %d times", err, n)
			}
		})
	}
}

func TestLimitsAreValues(t *testing.T) {
	t.Parallel()
	l := ratelimit.PerSecond(5)
	if l.Burst(9) == l || l != ratelimit.PerSecond(5) || l.Burst(5) != l {
		t.Error("Burst does not return a copy with another burst")
	}
	if ratelimit.Unlimited() == (ratelimit.Limit{}) || ratelimit.Every(-1).Burst(0) == ratelimit.Unlimited() {
		t.Error("Unlimited is equal to an invalid limit")
	}
	if got := ratelimit.Unlimited().String(); got != "unlimited" {
		t.Errorf("Unlimited: %q", got)
	}
}
