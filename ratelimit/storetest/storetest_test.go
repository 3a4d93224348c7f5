package storetest

import (
	"context"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	t.Run("new", func(t *testing.T) {
		t.Parallel()
		Run(t, func(*testing.T) ratelimit.Store { return ratelimit.NewMemoryStore(0) })
	})
	t.Run("shared", func(t *testing.T) {
		t.Parallel()
		m := ratelimit.NewMemoryStore(0)
		Run(t, func(*testing.T) ratelimit.Store { return m })
	})
}

// onlyStore hides that a store is a SlotStore.
type onlyStore struct{ ratelimit.Store }

func TestStoreWithoutSlots(t *testing.T) {
	t.Parallel()
	skipped := make(map[string]bool)
	var mu sync.Mutex
	t.Run("run", func(t *testing.T) {
		Run(t, func(t *testing.T) ratelimit.Store {
			t.Cleanup(func() {
				mu.Lock()
				defer mu.Unlock()
				skipped[t.Name()] = t.Skipped()
			})
			return onlyStore{ratelimit.NewMemoryStore(0)}
		})
	})
	for _, c := range cases() {
		if got := skipped["TestStoreWithoutSlots/run/"+c.name]; got != c.slots {
			t.Errorf("%s: skipped %v, want %v", c.name, got, c.slots)
		}
	}
}

// The cases quote sentences of the documentation.
func TestQuotes(t *testing.T) {
	t.Parallel()
	var contract string
	for _, name := range []string{"../store.go", "../limit.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		contract += regexp.MustCompile(`\s+(//\s*)?`).ReplaceAllString(string(source), " ")
	}
	names := make(map[string]bool)
	for _, c := range cases() {
		if !strings.Contains(strings.ToLower(contract), strings.ToLower(c.says)) {
			t.Errorf("%s: %q is not in the documentation", c.name, c.says)
		}
		if names[c.name] {
			t.Errorf("two cases %s", c.name)
		}
		names[c.name] = true
	}
}

// failures runs a case against s, and returns what fails.
func failures(t *testing.T, c storeCase, s ratelimit.Store, patience time.Duration) []string {
	t.Helper()
	return siotest.Failures(t, func(tb testing.TB) {
		k := newKit(tb, c, s)
		k.patience = patience
		c.run(k)
	})
}

// Each broken store is caught by the cases that it is made for, and each case catches
// one at least.
func TestBrokenStores(t *testing.T) {
	t.Parallel()
	byName := make(map[string]storeCase)
	left := make(map[string]bool)
	for _, c := range cases() {
		byName[c.name], left[c.name] = c, true
	}
	for name, b := range brokenStores {
		for _, want := range strings.Fields(b.caught) {
			c, ok := byName[want]
			if !ok {
				t.Fatalf("no case %s", want)
			}
			delete(left, want)
			t.Run(name+"/"+want, func(t *testing.T) {
				t.Parallel()
				var errs []string
				// On a busy machine a case may ask too seldom to see that a store is too fast.
				for try := 0; len(errs) == 0 && try < 20; try++ {
					end := make(chan struct{})
					s := b.open(&broken{inner: ratelimit.NewMemoryStore(0), end: end})
					errs = failures(t, c, s, 250*time.Millisecond)
					close(end)
				}
				if len(errs) == 0 {
					t.Fatal("not caught")
				}
				for _, e := range errs {
					if strings.Contains(e, "the contract: ") {
						t.Logf("%.400s", e)
						return
					}
				}
				t.Errorf("the contract is not quoted: %.400q", errs)
			})
		}
	}
	for c := range left {
		t.Errorf("%s: no store is known that it catches", c)
	}
}

// What the broken stores are expected to fail must not be what the recorder does to all.
func TestRecorder(t *testing.T) {
	t.Parallel()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := (&broken{inner: ratelimit.NewMemoryStore(0)}).whole()
			if errs := failures(t, c, s, patience); len(errs) > 0 {
				t.Errorf("%.400q", errs)
			}
		})
	}
}

// broken is a store that is wrong in the ways of its fields; without any it is right.
type broken struct {
	inner *ratelimit.MemoryStore
	end   chan struct{} // closed when the test ends

	takes   func(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error)
	slot    func(ctx context.Context, key string, limit int64) (func(), ratelimit.Verdict, error)
	rename  func(key string) string
	verdict func(v *ratelimit.Verdict, l ratelimit.Limit, n int64)
}

func (b *broken) whole() *broken { return b }

func (b *broken) Take(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
	if b.rename != nil {
		key = b.rename(key)
	}
	if b.takes != nil {
		return b.takes(ctx, key, l, n)
	}
	v, err := b.inner.Take(ctx, key, l, n)
	if b.verdict != nil && err == nil {
		b.verdict(&v, l, n)
	}
	return v, err
}

func (b *broken) Acquire(ctx context.Context, key string, limit int64) (func(), ratelimit.Verdict, error) {
	if b.rename != nil {
		key = b.rename(key)
	}
	if b.slot != nil {
		return b.slot(ctx, key, limit)
	}
	return b.inner.Acquire(ctx, key, limit)
}
