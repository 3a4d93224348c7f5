package ratelimit_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/ratelimit"
	"golang.org/x/time/rate"
)

// model is a bucket by its definition: a number of tokens, with fractions, to
// which time adds.
type model struct {
	l      ratelimit.Limit
	tokens *big.Rat
	at     time.Time
}

// interval is how many nanoseconds a token of l takes: a whole number of sixteenths,
// rounded up.
func interval(l ratelimit.Limit) *big.Rat {
	n, per := l.Rate()
	x := new(big.Int).Mul(big.NewInt(int64(per)), big.NewInt(16))
	x.Add(x, big.NewInt(n-1)).Quo(x, big.NewInt(n))
	return new(big.Rat).SetFrac(x, big.NewInt(16))
}

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func smaller(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func floor(r *big.Rat) int64 { return new(big.Int).Div(r.Num(), r.Denom()).Int64() }

func ceil(r *big.Rat) int64 { return -floor(new(big.Rat).Neg(r)) }

// missing is how long it takes until tokens are n of l.
func missing(l ratelimit.Limit, tokens *big.Rat, n int64) *big.Rat {
	return new(big.Rat).Mul(new(big.Rat).Sub(whole(n), tokens), interval(l))
}

func newModel(l ratelimit.Limit) *model {
	return &model{l, whole(l.Size()), time.Now()}
}

// change goes on with the time at which the bucket is full, limited to what an empty
// one of l takes.
func (m *model) change(l ratelimit.Limit) {
	m.advance()
	full := missing(m.l, m.tokens, m.l.Size())
	gone := smaller(new(big.Rat).Quo(full, interval(l)), whole(l.Size()))
	m.l, m.tokens = l, new(big.Rat).Sub(whole(l.Size()), gone)
}

func (m *model) advance() {
	now := time.Now()
	passed := whole(int64(now.Sub(m.at)))
	m.tokens = smaller(whole(m.l.Size()), new(big.Rat).Add(m.tokens, passed.Quo(passed, interval(m.l))))
	m.at = now
}

func (m *model) take(n int64) ratelimit.Verdict {
	m.advance()
	v := ratelimit.Verdict{Limit: m.l.Size()}
	switch {
	case m.tokens.Cmp(whole(n)) >= 0:
		v.Allowed = true
		m.tokens = new(big.Rat).Sub(m.tokens, whole(n))
	case n > m.l.Size():
		v.RetryAfter = ratelimit.Never
	default:
		v.RetryAfter = time.Duration(ceil(missing(m.l, m.tokens, n)))
	}
	v.Remaining = floor(m.tokens)
	v.ResetAfter = time.Duration(ceil(missing(m.l, m.tokens, m.l.Size())))
	return v
}

var propertyLimits = []ratelimit.Limit{
	ratelimit.PerSecond(1), ratelimit.PerSecond(3), ratelimit.PerSecond(7).Burst(1), ratelimit.PerSecond(300e6).Burst(50),
	ratelimit.PerMinute(60).Burst(7), ratelimit.PerMinute(13).Burst(100), ratelimit.PerHour(1000),
	ratelimit.Every(time.Nanosecond).Burst(3), ratelimit.Every(366 * 24 * time.Hour), ratelimit.Every(7 * time.Millisecond).Burst(1 << 20),
}

// cost is a number of tokens that is of interest.
func cost(r *rand.Rand, l ratelimit.Limit) int64 {
	switch r.IntN(8) {
	case 0:
		return 0
	case 1:
		return l.Size()
	case 2:
		return l.Size() + r.Int64N(2)
	case 3:
		return r.Int64N(2*l.Size() + 1)
	default:
		return 1
	}
}

// advance lets an interesting time pass: none, about what was said to be waited
// for, about an interval, or up to two windows.
func advance(r *rand.Rand, l ratelimit.Limit, last ratelimit.Verdict) {
	n, per := l.Rate()
	one := per / time.Duration(n)
	var d time.Duration
	switch r.IntN(8) {
	case 0:
		d = last.RetryAfter - time.Duration(r.IntN(2))
	case 1:
		d = last.ResetAfter - time.Duration(r.IntN(2))
	case 2:
		d = one + time.Duration(r.IntN(3)) - 1
	case 3:
		d = time.Duration(r.Int64N(int64(min(2*one*time.Duration(l.Size()), 1000*24*time.Hour))))
	case 4:
		d = time.Duration(r.Int64N(int64(one) + 1))
	}
	if r.IntN(50) > 0 { // or the years that a store lives for are soon over
		d = min(d, 10*24*time.Hour)
	}
	if d > 0 {
		<-time.After(d)
	}
}

// eachSeed runs f in a bubble for some random schedules, always the same ones.
func eachSeed(t *testing.T, f func(t *testing.T, r *rand.Rand)) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { f(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

// A store decides as the definition does, to the nanosecond.
func TestMemoryModel(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		m := ratelimit.NewMemoryStore(0)
		models := make([]*model, 6)
		// The ticks of a store last for 18 years.
		deadline := time.Now().Add(15 * 365 * 24 * time.Hour)
		steps, allowed := 0, 0
		for ; steps < 4000 && time.Now().Before(deadline); steps++ {
			i := r.IntN(len(models))
			key := fmt.Sprint("k", i)
			l, n := propertyLimits[r.IntN(len(propertyLimits))], int64(1)
			switch {
			case models[i] == nil:
				models[i] = newModel(l)
			case r.IntN(50) == 0: // and n is 1, so that the time counts from now on
				models[i].change(l)
			default:
				l = models[i].l
				n = cost(r, l)
			}
			want, got := models[i].take(n), take(t, m, key, l, n)
			if got != want {
				t.Fatalf("step %d: %d under %v: %+v, want %+v", steps, n, l, got, want)
			}
			if got.Allowed {
				allowed++
			}
			advance(r, l, got)
		}
		if steps < 2000 || allowed < steps/10 || allowed > steps*9/10 {
			t.Errorf("%d of %d allowed: a schedule that says little", allowed, steps)
		}
	})
}

// A store decides like golang.org/x/time/rate, except where that rounds: it keeps its
// tokens as a float, and lets through what is less than a nanosecond short. So they
// may differ where the exact bucket is within 2 ns, or a billionth of its window, of
// having n tokens. Both start afresh after that.
func TestMemoryAgreesWithRate(t *testing.T) {
	t.Parallel()
	limits := []ratelimit.Limit{
		ratelimit.Every(time.Second), ratelimit.PerSecond(10), ratelimit.PerMinute(60).Burst(7), ratelimit.PerMinute(600).Burst(50),
		ratelimit.PerSecond(1000).Burst(20), ratelimit.Every(time.Hour).Burst(24), ratelimit.Every(7 * time.Millisecond).Burst(3),
		ratelimit.PerSecond(1e6).Burst(100), ratelimit.Every(12345 * time.Microsecond).Burst(1000),
	}
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		m := ratelimit.NewMemoryStore(0)
		const steps = 4000
		differ := 0
		for _, l := range limits {
			x := interval(l)
			if !x.IsInt() {
				t.Fatalf("%v has an interval of %v ns", l, x)
			}
			every := rate.Every(time.Duration(x.Num().Int64()))
			var limiter *rate.Limiter
			var exact *model
			var key string
			for step := range steps / len(limits) {
				if limiter == nil {
					limiter, exact = rate.NewLimiter(every, int(l.Size())), newModel(l)
					key = fmt.Sprint(l, step)
				}
				n := cost(r, l)
				exact.advance()
				off := missing(l, exact.tokens, n)
				want, got := limiter.AllowN(time.Now(), int(n)), take(t, m, key, l, n)
				exact.take(n)
				advance(r, l, got)
				if got.Allowed == want {
					continue
				}
				most := new(big.Rat).Mul(x, big.NewRat(l.Size(), 1e9))
				if off.Abs(off).Cmp(most.Add(most, whole(2))) > 0 {
					t.Fatalf("step %d: %d under %v: allowed %v, x/time/rate %v, %v ns off", step, n, l, got.Allowed, want, off.FloatString(1))
				}
				limiter = nil
				differ++
			}
		}
		if differ > steps/20 {
			t.Errorf("differs in %d of %d decisions", differ, steps)
		}
		t.Logf("differs in %d of %d decisions", differ, steps)
	})
}

// In any time t at most burst + rate * t, in each window of what was allowed.
func TestMemoryNeverMore(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		for i, l := range propertyLimits {
			m := ratelimit.NewMemoryStore(0)
			type event struct {
				at time.Time
				n  int64
			}
			var events []event
			deadline := time.Now().Add(15 * 365 * 24 * time.Hour)
			for step := 0; step < 400 && time.Now().Before(deadline); step++ {
				n := cost(r, l)
				v := take(t, m, fmt.Sprint(i), l, n)
				if v.Allowed {
					events = append(events, event{time.Now(), n})
				}
				advance(r, l, v)
			}
			tokens, per := l.Rate()
			for i, first := range events {
				var sum int64
				for _, e := range events[i:] {
					// sum <= burst + tokens * t / per
					sum += e.n
					left := new(big.Int).Mul(big.NewInt(sum-l.Size()), big.NewInt(int64(per)))
					right := new(big.Int).Mul(big.NewInt(tokens), big.NewInt(int64(e.at.Sub(first.at))))
					if left.Cmp(right) > 0 {
						t.Fatalf("%d allowed in %v under %v", sum, e.at.Sub(first.at), l)
					}
				}
			}
		}
	})
}

// Remaining grows with time, and shrinks only by what is taken.
func TestMemoryRemaining(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		for _, l := range propertyLimits {
			m := ratelimit.NewMemoryStore(0)
			deadline := time.Now().Add(15 * 365 * 24 * time.Hour)
			for step := 0; step < 300 && time.Now().Before(deadline); step++ {
				before, n := take(t, m, "k", l, 0), cost(r, l)
				v := take(t, m, "k", l, n)
				if !v.Allowed {
					n = 0
				}
				if v.Allowed != (n <= before.Remaining) && n > 0 || v.Remaining != before.Remaining-n {
					t.Fatalf("%d of %d under %v: %+v", n, before.Remaining, l, v)
				}
				advance(r, l, v)
				after := take(t, m, "k", l, 0)
				if after.Remaining < v.Remaining || after.ResetAfter > v.ResetAfter {
					t.Fatalf("%+v becomes %+v under %v", v, after, l)
				}
			}
		}
	})
}
