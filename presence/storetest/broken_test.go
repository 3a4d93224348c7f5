package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
)

// failures runs a case against nodes, and returns what fails.
func failures(t *testing.T, c storeCase, patience time.Duration, nodes ...presence.Store) []string {
	t.Helper()
	return siotest.Failures(t, func(tb testing.TB) {
		k := newKit(tb, c, nodes...)
		k.patience = patience
		runCase(k, c)
	})
}

// Each broken store is caught by the cases that it is made for, and each case catches one
// at least.
func TestBrokenStores(t *testing.T) {
	t.Parallel()
	byName := make(map[string]storeCase)
	left := make(map[string]bool)
	for _, c := range append(cases(), sharedCases()...) {
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
				errs := failures(t, c, 250*time.Millisecond, b.nodes(t, c)...)
				for i := 0; i < 50 && len(errs) == 0 && want == "Model"; i++ {
					errs = failures(t, c, 250*time.Millisecond, b.nodes(t, c)...) // its calls are others each time
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

// brokenStore is a store that breaks the contract in one way, and the cases that notice.
type brokenStore struct {
	caught string
	how    func(b *broken)
}

// nodes returns as many stores as the case needs.
func (b brokenStore) nodes(t *testing.T, c storeCase) (nodes []presence.Store) {
	n := 1
	if strings.HasPrefix(c.name, "Nodes") || strings.HasPrefix(c.name, "Drain") {
		n = 3
	}
	m := newMemory(t)
	for range n {
		one := &broken{MemoryStore: m, end: t.Context()}
		b.how(one)
		if one.alone {
			one.MemoryStore = newMemory(t)
		}
		if n > 1 && !one.alone {
			one.shared = &node{MemoryStore: m, seats: make(map[presence.Seat]bool)}
		}
		nodes = append(nodes, one)
	}
	return nodes
}

// What the broken stores are expected to fail must not be what the recorder does to all.
func TestRecorder(t *testing.T) {
	t.Parallel()
	for _, c := range append(cases(), nodeCases...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := brokenStore{how: func(*broken) {}}
			if errs := failures(t, c, patience, s.nodes(t, c)...); len(errs) > 0 {
				t.Errorf("%.400q", errs)
			}
		})
	}
}

// broken is a store that is wrong in the ways of its fields; without any it is right.
type broken struct {
	*presence.MemoryStore
	shared *node // where there are others
	end    context.Context
	alone  bool // it shares nothing

	enter    func(e *presence.Entry)
	join     func(ctx context.Context, e presence.Entry) error
	leave    func(ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error
	evict    func(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error)
	records  func(all []presence.Record) []presence.Record // of Get, List and Scan
	get      func(all []presence.Record)
	page     func(page func(cursor string, n int) ([]presence.Record, string, error), cursor string, n int) ([]presence.Record, string, error)
	count    func(ctx context.Context, room string) (int, error)
	tell     func(e presence.Event, f func(presence.Event))
	watching func(stop func()) func()
	close    func() error
}

func (b *broken) Join(ctx context.Context, e presence.Entry) error {
	if b.enter != nil {
		b.enter(&e)
	}
	switch {
	case b.join != nil:
		return b.join(ctx, e)
	case b.shared != nil:
		return b.shared.Join(ctx, e)
	}
	return b.MemoryStore.Join(ctx, e)
}

func (b *broken) Leave(ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
	if b.enter != nil {
		for i, seat := range seats {
			e := presence.Entry{Seat: seat}
			b.enter(&e)
			seats[i] = e.Seat
		}
	}
	if b.leave != nil {
		return b.leave(ctx, cause, now, seats...)
	}
	return b.MemoryStore.Leave(ctx, cause, now, seats...)
}

func (b *broken) Evict(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error) {
	if b.evict != nil {
		return b.evict(ctx, user, cause, reason, except...)
	}
	return b.MemoryStore.Evict(ctx, user, cause, reason, except...)
}

func (b *broken) Get(ctx context.Context, room string, users ...string) ([]presence.Record, error) {
	all, err := b.MemoryStore.Get(ctx, room, users...)
	if b.records != nil {
		all = b.records(all)
	}
	if b.get != nil {
		b.get(all)
	}
	return all, err
}

func (b *broken) List(ctx context.Context, room, cursor string, n int) ([]presence.Record, string, error) {
	return b.pages(func(cursor string, n int) ([]presence.Record, string, error) {
		return b.MemoryStore.List(ctx, room, cursor, n)
	}, cursor, n)
}

func (b *broken) Scan(ctx context.Context, cursor string, n int) ([]presence.Record, string, error) {
	return b.pages(func(cursor string, n int) ([]presence.Record, string, error) {
		return b.MemoryStore.Scan(ctx, cursor, n)
	}, cursor, n)
}

func (b *broken) pages(page func(cursor string, n int) ([]presence.Record, string, error), cursor string, n int) (all []presence.Record, then string, err error) {
	if b.page != nil {
		return b.page(page, cursor, n)
	}
	all, then, err = page(cursor, n)
	if b.records != nil {
		all = b.records(all)
	}
	return all, then, err
}

func (b *broken) Count(ctx context.Context, room string) (int, error) {
	if b.count != nil {
		return b.count(ctx, room)
	}
	return b.MemoryStore.Count(ctx, room)
}

func (b *broken) Watch(f func(presence.Event)) func() {
	told := f
	if b.tell != nil {
		told = func(e presence.Event) { b.tell(e, f) }
	}
	stop := b.MemoryStore.Watch(told)
	if b.watching != nil {
		return b.watching(stop)
	}
	return stop
}

func (b *broken) Close(ctx context.Context) error {
	switch {
	case b.close != nil:
		return b.close()
	case b.shared != nil:
		return b.shared.Close(ctx)
	}
	return b.MemoryStore.Close(ctx)
}
