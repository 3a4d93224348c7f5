package gcra

import (
	"math"
	"math/big"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		n     int64
		per   time.Duration
		burst int64
		want  Rate // zero: refused
	}{
		"one a second":          {1, time.Second, 1, Rate{16e9, 1}},
		"rounded up":            {3, time.Second, 3, Rate{5_333_333_334, 3}},
		"one a nanosecond":      {1, 1, 1, Rate{16, 1}},
		"as fast as it goes":    {1e9, time.Second, 1e9, Rate{16, 1e9}},
		"one faster":            {1e9 + 1, time.Second, 1, Rate{}},
		"a second in 366 days":  {int64(366 * day), 366 * day, 1, Rate{16, 1}},
		"one in 366 days":       {1, 366 * day, 1, Rate{int64(366*day) * 16, 1}},
		"two in 366 days":       {1, 366 * day, 2, Rate{}},
		"longer":                {1, 366*day + 1, 1, Rate{}},
		"366 in 366 days":       {1, day, 366, Rate{int64(day) * 16, 366}},
		"367 in 366 days":       {1, day, 367, Rate{}},
		"largest burst":         {1, 1, int64(366 * day), Rate{16, int64(366 * day)}},
		"one more":              {1, 1, int64(366*day) + 1, Rate{}},
		"a burst that wraps":    {1, time.Second, math.MaxInt64, Rate{}},
		"a burst that wraps to": {1, 1, 1 << 60, Rate{}},
		"no tokens":             {0, time.Second, 1, Rate{}},
		"fewer":                 {-1, time.Second, 1, Rate{}},
		"least":                 {math.MinInt64, time.Second, 1, Rate{}},
		"no time":               {1, 0, 1, Rate{}},
		"less":                  {1, -time.Second, 1, Rate{}},
		"no burst":              {1, time.Second, 0, Rate{}},
		"negative burst":        {1, time.Second, -1, Rate{}},
		"all negative":          {-1, -1, -1, Rate{}},
		"all largest":           {math.MaxInt64, math.MaxInt64, math.MaxInt64, Rate{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := New(tt.n, tt.per, tt.burst)
			if got != tt.want || (err == nil) != (tt.want != Rate{}) {
				t.Errorf("%+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	r := Rate{Interval: 100, Burst: 5}
	for _, tt := range []struct {
		wait, clamped, remaining int64
	}{
		{math.MinInt64, 0, 5}, {-1, 0, 5}, {0, 0, 5}, {1, 1, 4}, {100, 100, 4}, {101, 101, 3},
		{400, 400, 1}, {401, 401, 0}, {499, 499, 0}, {500, 500, 0}, {501, 500, 0}, {math.MaxInt64, 500, 0},
	} {
		wait := r.Clamp(tt.wait)
		if got := r.Remaining(wait); wait != tt.clamped || got != tt.remaining {
			t.Errorf("%d: clamped %d, %d remaining, want %d, %d", tt.wait, wait, got, tt.clamped, tt.remaining)
		}
	}
	for _, tt := range []struct {
		wait, n int64
		want    time.Duration
	}{
		{500, 0, 0}, {500, 1, 7}, {500, 5, 32}, {500, 6, Never}, {0, 5, 0}, {0, 6, Never}, {0, math.MaxInt64, Never},
		{1, 5, 1}, {16, 5, 1}, {17, 5, 2}, {1, 4, 0}, {100, 4, 0}, {101, 4, 1},
	} {
		if got := r.Until(tt.wait, tt.n); got != tt.want {
			t.Errorf("Until(%d, %d): %v, want %v", tt.wait, tt.n, got, tt.want)
		}
	}
}

// FuzzRate compares the algorithm with its definition, for numbers of any size.
func FuzzRate(f *testing.F) {
	for _, s := range [][5]int64{
		{1, 1, 1, 0, 1}, {3, 1e9, 3, 1, 2}, {1e9, 1e9, 1e9, 5, 3}, {1, int64(MaxFill), 1, 7, 1},
		{7, 1e9, math.MaxInt64, 7, 8}, {-1, -1, -1, -1, 0}, {1, 1, int64(MaxFill), math.MaxInt64, 12345},
		{math.MaxInt64, math.MaxInt64, 1, 1, 1}, {300e6, 1e9, 10, 3, 4}, {0, 0, 0, 0, 0},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	f.Fuzz(func(t *testing.T, n, per, burst, wait, cost int64) {
		r, err := New(n, time.Duration(per), burst)
		if n < 1 || per < 1 || burst < 1 {
			if err == nil {
				t.Fatal("accepted")
			}
			return
		}
		// ceil(per * Nanosecond / n), and how long burst of it take
		interval := new(big.Int).Mul(big.NewInt(per), big.NewInt(Nanosecond))
		interval.Add(interval, big.NewInt(n-1)).Quo(interval, big.NewInt(n))
		full := new(big.Int).Mul(interval, big.NewInt(burst))
		limit := new(big.Int).Mul(big.NewInt(int64(MaxFill)), big.NewInt(Nanosecond))
		if good := n <= per && per <= int64(MaxFill) && full.Cmp(limit) <= 0; good != (err == nil) {
			t.Fatalf("error %v, want one: %v", err, !good)
		}
		if err != nil {
			return
		}
		if r.Burst != burst || interval.Cmp(big.NewInt(r.Interval)) != 0 || full.Cmp(big.NewInt(r.Full())) != 0 {
			t.Fatalf("%+v, full after %d, want %d, %d", r, r.Full(), interval, full)
		}

		wait = r.Clamp(wait)
		if wait < 0 || wait > r.Full() || r.Clamp(wait) != wait {
			t.Fatalf("Clamp: %d", wait)
		}
		there := r.Remaining(wait)
		if there < 0 || there > burst || there == burst != (wait == 0) {
			t.Fatalf("%d remaining of %d, full in %d", there, burst, wait)
		}
		if cost = max(0, cost); cost > burst {
			if r.Room(cost) >= 0 || r.Until(wait, cost) != Never {
				t.Fatalf("%d of %d: room %d, until %d", cost, burst, r.Room(cost), r.Until(wait, cost))
			}
			return
		}
		if got := cost <= there; got != (wait <= r.Room(cost)) {
			t.Fatalf("%d of %d that are there: %v", cost, there, !got)
		}
		// A moment before, and a tick before, they are not there; then they are.
		until := r.Until(wait, cost)
		if (until == 0) != (cost <= there) {
			t.Fatalf("%d of %d until %d", cost, there, until)
		}
		if after := r.Remaining(r.Clamp(wait - int64(until)*Nanosecond)); after < cost {
			t.Fatalf("%d after the wait, want %d", after, cost)
		}
		if until == 0 {
			return
		}
		if before := r.Remaining(wait - (int64(until)-1)*Nanosecond); before >= cost {
			t.Fatalf("%d a nanosecond before the end of the wait", before)
		}
		ticks := wait - r.Room(cost)
		if at, before := r.Remaining(wait-ticks), r.Remaining(wait-ticks+1); at != cost || before != cost-1 {
			t.Fatalf("%d when they come, %d a tick before, want %d, %d", at, before, cost, cost-1)
		}
		if d := Duration(ticks); d != until || int64(d)*Nanosecond < ticks || (int64(d)-1)*Nanosecond >= ticks {
			t.Fatalf("%d ticks are %d", ticks, d)
		}
	})
}
