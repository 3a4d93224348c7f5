package storetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sioware/sioware/presence"
)

// brokenStores are stores that each break the contract in one way, and the cases that
// notice.
var brokenStores = map[string]brokenStore{
	"alone": {"Nodes NodesGrace NodesEvict NodesEvictedAtOnce NodesNewest NodesFull NodesFullRace NodesNewestRace NodesDeadline", func(b *broken) { b.alone = true }},

	// What is taken.
	"one too many": {"Full FullGrace FullRace Newest NewestRace NewestEvicted NodesFull NodesNewest", withEntry(func(e *presence.Entry) {
		if e.Max > 0 {
			e.Max++
		}
	})},
	"no limit":      {"Full FullRace Newest NewestRace Model NodesFullRace", withEntry(func(e *presence.Entry) { e.Max = 0 })},
	"always newest": {"Full FullGrace FullRace Model", withEntry(func(e *presence.Entry) { e.Keep = false })},
	"always oldest": {"Newest NewestRace NewestEvicted Model", withEntry(func(e *presence.Entry) { e.Keep = true })},
	"no grace":      {"Grace GraceEnds GraceBack GraceOfLastEntry CountGrace Model Drain", withEntry(func(e *presence.Entry) { e.Grace = 0 })},
	"long grace":    {"GraceEnds GraceOfLastEntry Online Joined Drain", withEntry(func(e *presence.Entry) { e.Grace = long })},
	"no Meta":       {"Join OddMeta Told Model", withEntry(func(e *presence.Entry) { e.Meta = nil })},
	"no Away":       {"Join GraceBackOther Updated Model", withEntry(func(e *presence.Entry) { e.Away = false })},
	"one device":    {"Devices Order Churn", withEntry(func(e *presence.Entry) { e.Device = "d" })},
	"users trimmed": {"OddUsers", withEntry(func(e *presence.Entry) { e.User = strings.TrimSpace(e.User) })},
	"users UTF-8":   {"OddUsers OddOnline", withEntry(func(e *presence.Entry) { e.User = strings.ToValidUTF8(e.User, "\ufffd") })},
	"users end":     {"OddUsers", withEntry(func(e *presence.Entry) { e.User, _, _ = strings.Cut(e.User, "\x00") })},
	"rooms folded":  {"OddRooms", withEntry(func(e *presence.Entry) { e.Room = strings.ToLower(e.Room) })},
	"any seat": {"NoUser ZeroByte", withEntry(func(e *presence.Entry) {
		e.User, e.Room = cmp.Or(e.User, "nobody"), strings.ReplaceAll(e.Room, "\x00", "")
	})},
	"leaves first": {"Order Updated Evicted NewestEvicted NodesEvict NodesEvictedAtOnce", func(b *broken) {
		b.join = func(ctx context.Context, e presence.Entry) error {
			_ = b.MemoryStore.Leave(ctx, presence.CauseLeft, true, e.Seat)
			return b.MemoryStore.Join(ctx, e)
		}
	}},
	"Meta of others": {"OwnMeta", func(b *broken) {
		var meta json.RawMessage
		b.enter = func(e *presence.Entry) { meta = e.Meta }
		b.get = func(all []presence.Record) { all[0].Devices[0].Meta = meta }
	}},
	"hides why": {"Full Evicted NodesFull", func(b *broken) {
		b.join = func(ctx context.Context, e presence.Entry) error {
			if b.MemoryStore.Join(ctx, e) != nil {
				return errors.New("ERR refused")
			}
			return nil
		}
	}},

	// What is given up.
	"now is later": {"GraceNow Model", withLeave(func(b *broken, ctx context.Context, cause presence.Cause, _ bool, seats ...presence.Seat) error {
		return b.MemoryStore.Leave(ctx, cause, false, seats...)
	})},
	"always lost": {"Joined Devices GraceNow Evict Model", withLeave(func(b *broken, ctx context.Context, _ presence.Cause, now bool, seats ...presence.Seat) error {
		return b.MemoryStore.Leave(ctx, presence.CauseUnknown, now, seats...)
	})},
	"lost in the end": {"GraceEnds", withLeave(func(b *broken, ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
		if !now {
			cause = presence.CauseLost
		}
		return b.MemoryStore.Leave(ctx, cause, now, seats...)
	})},
	"pardons": {"EvictedRoom", withLeave(func(b *broken, ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
		for _, s := range seats { // in whichever room it was
			_ = b.MemoryStore.Leave(ctx, cause, now, presence.Seat{User: s.User, Device: s.Device})
		}
		return b.MemoryStore.Leave(ctx, cause, now, seats...)
	})},
	"the first seat": {"Joined", withLeave(func(b *broken, ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
		return b.MemoryStore.Leave(ctx, cause, now, seats[:min(len(seats), 1)]...)
	})},
	"no such seat": {"NoSeat", withLeave(func(b *broken, ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
		if len(seats) > 1 {
			return errors.New("no such seat")
		}
		return b.MemoryStore.Leave(ctx, cause, now, seats...)
	})},
	"no grace of its own": {"GraceCut GraceDeadline NodesDeadline", func(b *broken) {
		// The timer of each grace ends whatever is there then.
		b.leave = func(ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
			for _, s := range seats {
				t := time.AfterFunc(100*time.Millisecond, func() { _, _ = b.MemoryStore.Evict(ctx, s.User, cause, "") })
				context.AfterFunc(b.end, func() { t.Stop() })
			}
			return b.MemoryStore.Leave(ctx, cause, now, seats...)
		}
	}},
	"everybody leaves": {"EvictAll", func(b *broken) {
		b.evict = func(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error) {
			n, err := b.MemoryStore.Evict(ctx, user, cause, reason, except...)
			_ = b.MemoryStore.Join(ctx, presence.Entry{Seat: presence.Seat{User: user, Device: "ghost"}})
			return n, err
		}
	}},
	"spares the grace": {"EvictGrace", func(b *broken) {
		b.evict = func(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error) {
			if all, err := b.MemoryStore.Get(ctx, "", user); err != nil || len(all[0].Devices) == 0 {
				return 0, err
			}
			return b.MemoryStore.Evict(ctx, user, cause, reason, except...)
		}
	}},
	"seen when evicted": {"EvictGrace", func(b *broken) {
		b.evict = func(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error) {
			now := time.Now()
			withRecords(func(r *presence.Record) { r.Seen = now })(b)
			return b.MemoryStore.Evict(ctx, user, cause, reason, except...)
		}
	}},
	"evicts all":   {"Evict Evicted NodesEvict Model", func(b *broken) { b.evict = evictAll(b, 0) }},
	"counts wrong": {"Evict EvictAll OddOnline", func(b *broken) { b.evict = evictAll(b, 1) }},
	"not closed":   {"Close CloseRace Drain DrainOwn", func(b *broken) { b.close = func() error { return nil } }},
	"hangs": {"Ended EndedJoin EndedLeave", withEnded(func(b *broken, ctx context.Context) error {
		<-b.end.Done()
		return ctx.Err()
	})},
	"ended is undone": {"EndedJoin EndedLeave", withEnded(func(_ *broken, ctx context.Context) error { return ctx.Err() })},

	// What is known.
	"by ID": {"Order Devices Model", withRecords(func(r *presence.Record) {
		slices.SortFunc(r.Devices, func(a, b presence.Device) int { return strings.Compare(a.ID, b.ID) })
	})},
	"no Last":     {"Grace GraceEnds CountGrace Model", withRecords(func(r *presence.Record) { r.Last = presence.Device{} })},
	"no Seen":     {"Seen", withRecords(func(r *presence.Record) { r.Seen = time.Time{} })},
	"always Seen": {"GetUnknown SeenInRoom Join", withRecords(func(r *presence.Record) { r.Seen = time.Now() })},
	"Since anew": {"Since", withRecords(func(r *presence.Record) {
		for i := range r.Devices {
			r.Devices[i].Since = time.Now()
		}
	})},
	"one version":  {"Version Model", withRecords(func(r *presence.Record) { r.Version = min(r.Version, 1) })},
	"version late": {"Version Model", withRecords(func(r *presence.Record) { r.Version += uint64(len(r.Devices)) })},
	"by user": {"Get", func(b *broken) {
		b.records = func(all []presence.Record) []presence.Record {
			slices.SortFunc(all, func(a, b presence.Record) int { return strings.Compare(a.User, b.User) })
			return all
		}
	}},
	"counts seats": {"Count CountGrace Nodes", func(b *broken) {
		b.count = func(ctx context.Context, room string) (n int, err error) {
			all, _, err := b.MemoryStore.List(ctx, room, "", 1000)
			for _, r := range all {
				n += len(r.Devices)
			}
			return 2 * n, err
		}
	}},
	"counts nobody": {"Count CountOnline Churn Model", func(b *broken) {
		b.count = func(context.Context, string) (int, error) { return 0, nil }
	}},
	"skips": {"List Model Nodes", func(b *broken) {
		b.page = func(page func(cursor string, n int) ([]presence.Record, string, error), cursor string, n int) ([]presence.Record, string, error) {
			all, then, err := page(cursor, n)
			return all[min(len(all), 1):], then, err
		}
	}},
	"more than n": {"List", func(b *broken) {
		b.page = func(page func(cursor string, n int) ([]presence.Record, string, error), cursor string, n int) ([]presence.Record, string, error) {
			return page(cursor, n+1)
		}
	}},
	"offsets": {"ListChanges ListConcurrent ScanConcurrent", func(b *broken) {
		b.page = func(page func(cursor string, n int) ([]presence.Record, string, error), cursor string, n int) ([]presence.Record, string, error) {
			all, _, err := page("", 1e6)
			// Those who came last first, so that who comes moves all others.
			slices.SortFunc(all, func(a, b presence.Record) int { return cmp.Compare(b.Version, a.Version) })
			from, _ := strconv.Atoi(cursor)
			to := min(from+n, len(all))
			if to == len(all) {
				return all[min(from, to):], "", err
			}
			return all[from:to], strconv.Itoa(to), err
		}
	}},
	"only rooms": {"Scan", func(b *broken) {
		b.records = func(all []presence.Record) []presence.Record {
			return slices.DeleteFunc(all, func(r presence.Record) bool { return r.Room == "" && len(all) > 1 })
		}
	}},

	// What is reported.
	"twice": {"Online Joined LastTabs FirstTabs GraceDeadline NodesDeadline Model", withEvents(func(e presence.Event, f func(presence.Event)) { f(e); f(e) })},
	"late": {"Watchers WatchOrder", func(b *broken) {
		var kept []presence.Event
		b.tell = func(e presence.Event, f func(presence.Event)) {
			if kept = append(kept, e); len(kept) == 2 {
				f(kept[1])
				f(kept[0])
				kept = nil
			}
		}
	}},
	"at once": {"WatchOrder Churn FirstTabs", func(b *broken) {
		b.tell = func(e presence.Event, f func(presence.Event)) { go f(e) }
	}},
	"no evictions": {"Newest Evict EvictAll EvictRooms OddOnline NodesEvict", withEvents(func(e presence.Event, f func(presence.Event)) {
		if e.Eviction == nil {
			f(e)
		}
	})},
	"not the last": {"Online EndedLeave LastTabs Nodes NodesGrace", withEvents(func(e presence.Event, f func(presence.Event)) {
		if e.Change == nil || e.Change.Devices > 0 {
			f(e)
		}
	})},
	"one too few": {"Devices Told NodesGrace", withEvents(func(e presence.Event, f func(presence.Event)) {
		if e.Change != nil {
			c := *e.Change
			c.Devices = max(c.Devices-1, 0)
			e.Change = &c
		}
		f(e)
	})},
	"never away": {"Away", withEvents(func(e presence.Event, f func(presence.Event)) {
		if e.Change != nil {
			c := *e.Change
			c.Away = false
			e.Change = &c
		}
		f(e)
	})},
	"never stops": {"WatchStop", func(b *broken) { b.watching = func(func()) func() { return func() {} } }},
}

func withEntry(f func(e *presence.Entry)) func(b *broken) {
	return func(b *broken) { b.enter = f }
}

func withRecords(f func(r *presence.Record)) func(b *broken) {
	return func(b *broken) {
		b.records = func(all []presence.Record) []presence.Record {
			for i := range all {
				f(&all[i])
			}
			return all
		}
	}
}

func withEvents(f func(e presence.Event, f func(presence.Event))) func(b *broken) {
	return func(b *broken) { b.tell = f }
}

func withLeave(f func(b *broken, ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error) func(b *broken) {
	return func(b *broken) {
		b.leave = func(ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
			return f(b, ctx, cause, now, seats...)
		}
	}
}

// withEnded has f called in place of what a context has ended for.
func withEnded(f func(b *broken, ctx context.Context) error) func(b *broken) {
	return func(b *broken) {
		b.join = func(ctx context.Context, e presence.Entry) error {
			if ctx.Err() != nil {
				return f(b, ctx)
			}
			return b.MemoryStore.Join(ctx, e)
		}
		b.leave = func(ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
			if ctx.Err() != nil {
				return f(b, ctx)
			}
			return b.MemoryStore.Leave(ctx, cause, now, seats...)
		}
	}
}

// evictAll also evicts devices that should stay, or counts more than there are.
func evictAll(b *broken, more int) func(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error) {
	return func(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error) {
		if more == 0 {
			except = nil
		}
		n, err := b.MemoryStore.Evict(ctx, user, cause, reason, except...)
		return n + more, err
	}
}
