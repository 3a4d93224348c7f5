package redisstore_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/internal/gcra"
	"github.com/sioware/sioware/ratelimit/redisstore"
)

// model decides in Go what the script has to decide.
type model map[string]int64 // ticks, since the beginning of the test, at which buckets are full

func (m model) take(us int64, key string, l ratelimit.Limit, n int64) ratelimit.Verdict {
	count, per := l.Rate()
	r, err := gcra.New(count, per, l.Size())
	if err != nil {
		panic(err)
	}
	now := us * gcra.Microsecond
	full, found := m[key]
	if !found {
		full = now
	}
	wait := r.Clamp(full - now)
	allowed := wait <= r.Room(n)
	if allowed {
		wait += n * r.Interval
	}
	if allowed && n > 0 || full-now > wait {
		m[key] = now + wait
	}
	v := ratelimit.Verdict{
		Allowed:    allowed,
		Limit:      r.Burst,
		Remaining:  r.Remaining(wait),
		ResetAfter: gcra.Duration(wait),
	}
	if !allowed {
		v.RetryAfter = r.Until(wait, n)
	}
	return v
}

func TestLaw(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	law(t, open(t, server.Client(t), unhurried), 10_000)
}

// law has the script decide at random times, by a clock that is also set back, and
// compares each verdict completely.
func law(t *testing.T, s *redisstore.Store, steps int) {
	limits := []ratelimit.Limit{
		ratelimit.PerSecond(1), ratelimit.PerSecond(3), ratelimit.PerSecond(3).Burst(1000),
		ratelimit.PerSecond(7777).Burst(5), ratelimit.PerSecond(300_000_000),
		ratelimit.PerMinute(59), ratelimit.PerHour(7).Burst(3), ratelimit.PerHour(1e9),
		ratelimit.Every(1), ratelimit.Every(1).Burst(math.MaxInt32), ratelimit.Every(time.Microsecond).Burst(3),
		ratelimit.Every(366 * 24 * time.Hour), ratelimit.Every(time.Hour).Burst(366 * 24),
	}
	for _, l := range limits {
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const keys = 6
	own := make([]ratelimit.Limit, keys)
	for i := range own {
		own[i] = limits[random.IntN(len(limits))]
	}
	// A time of today, and of a year that makes numbers longer.
	begin := []int64{1_780_000_000_123_456, 8_000_000_000_000_001}[random.IntN(2)]
	m := make(model)
	allowed, refused := 0, 0
	var us int64
	var next time.Duration // after which something changes
	for i := range steps {
		switch random.IntN(8) {
		case 0:
			us += random.Int64N(3)
		case 1:
			us += random.Int64N(int64(1) << random.IntN(45))
		case 2, 3, 4: // when it is allowed, or a microsecond too early
			us += max(0, int64(next/time.Microsecond)+random.Int64N(3)-1)
		case 5:
			if random.IntN(5) == 0 {
				us = max(0, us-random.Int64N(int64(1)<<random.IntN(45)))
			}
		}
		us = min(us, 1<<48) // the model has 63 bits
		k := random.IntN(keys)
		if random.IntN(50) == 0 {
			own[k] = limits[random.IntN(len(limits))]
		}
		l := own[k]
		n := []int64{0, 1, 1, 1, 2, l.Size() / 2, l.Size() - 1, l.Size(), l.Size() + 1, 1 << 62}[random.IntN(10)]
		if random.IntN(4) == 0 {
			n = random.Int64N(l.Size() + 1)
		}
		key := fmt.Sprint(k)
		want := m.take(us, key, l, n)
		got, err := s.TakeAt(t.Context(), begin+us, key, l, n)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("step %d at %d µs, %d of %v:\n%+v, want\n%+v", i, us, n, l, got, want)
		}
		next = max(got.RetryAfter, 0)
		if next == 0 && random.IntN(2) == 0 {
			next = got.ResetAfter
		}
		if got.Allowed {
			allowed++
		} else {
			refused++
		}
	}
	t.Logf("%d allowed, %d refused", allowed, refused)
	if min(allowed, refused) < steps/10 {
		t.Errorf("%d allowed, %d refused: it does not test much", allowed, refused)
	}
}

// A clock that is set back, however far, locks nobody out for longer than the
// bucket takes to fill; nor does a limit that was made smaller.
func TestLockout(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), unhurried)
	l := ratelimit.Every(time.Second).Burst(3)
	us := int64(1_780_000_000_000_000)
	at := func(l ratelimit.Limit) ratelimit.Verdict {
		v, err := s.TakeAt(t.Context(), us, "key", l, 1)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, test := range []struct {
		name  string
		upset func()
	}{
		{"clock", func() { at(l); us -= 3600e6 }},
		{"limit", func() { at(ratelimit.PerHour(1)) }},
	} {
		test.upset()
		v := at(l)
		if v.Allowed || v.RetryAfter != time.Second || v.ResetAfter != 3*time.Second {
			t.Errorf("%s: %+v", test.name, v)
		}
		us += v.RetryAfter.Microseconds()
		if v := at(l); !v.Allowed {
			t.Errorf("%s: as long as was said later: %+v", test.name, v)
		}
		us += 3600e6
	}
}
