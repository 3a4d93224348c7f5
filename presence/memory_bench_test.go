package presence_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/presence"
)

// memSeat is the seat of the only device of a user.
func memSeat(room, user string) presence.Seat {
	return presence.Seat{Room: room, User: user, Device: "d-" + user}
}

// memJoin joins by an entry that has nothing else.
func memJoin(tb testing.TB, m *presence.MemoryStore, seat presence.Seat) {
	if err := m.Join(context.Background(), presence.Entry{Seat: seat}); err != nil {
		tb.Fatal(err)
	}
}

func memLeave(tb testing.TB, m *presence.MemoryStore, seats ...presence.Seat) {
	if err := m.Leave(context.Background(), presence.CauseLeft, false, seats...); err != nil {
		tb.Fatal(err)
	}
}

// memUsers are IDs as they might be.
func memUsers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "user-" + strconv.Itoa(1e6+i)
	}
	return all
}

func memHeap() float64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc)
}

// BenchmarkMemoryJoinLeave is a user who comes and goes, beside 10,000 others.
func BenchmarkMemoryJoinLeave(b *testing.B) {
	for _, watched := range []bool{false, true} {
		for _, grace := range []time.Duration{0, time.Hour} {
			b.Run(fmt.Sprintf("watched=%t/grace=%t", watched, grace > 0), func(b *testing.B) {
				m := presence.NewMemoryStore()
				b.Cleanup(func() { _ = m.Close(context.Background()) })
				if watched {
					defer m.Watch(func(presence.Event) {})()
				}
				var seats []presence.Seat
				for _, user := range memUsers(10_000) {
					seats = append(seats, memSeat("", user))
					memJoin(b, m, memSeat("", user+"'s neighbor"))
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					seat := seats[i%len(seats)]
					_ = m.Join(context.Background(), presence.Entry{Seat: seat, Grace: grace})
					_ = m.Leave(context.Background(), presence.CauseLeft, false, seat)
				}
			})
		}
	}
}

func BenchmarkMemoryJoinLeaveParallel(b *testing.B) {
	m := presence.NewMemoryStore()
	var seats []presence.Seat
	for _, user := range memUsers(10_000) {
		seats = append(seats, memSeat("", user))
	}
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for i := int(next.Add(1)) * 997; p.Next(); i++ {
			seat := seats[i%len(seats)]
			_ = m.Join(context.Background(), presence.Entry{Seat: seat})
			_ = m.Leave(context.Background(), presence.CauseLeft, false, seat)
		}
	})
}

// BenchmarkMemoryMemberBytes is what a store with 1,000,000 members takes, beside their IDs
// and those of their devices.
func BenchmarkMemoryMemberBytes(b *testing.B) {
	const n = 1_000_000
	all := memUsers(n)
	devices := make([]string, n)
	for i := range devices {
		devices[i] = memSeat("", all[i]).Device
	}
	var bytes float64
	for b.Loop() {
		before := memHeap()
		m := presence.NewMemoryStore()
		for i, user := range all {
			memJoin(b, m, presence.Seat{User: user, Device: devices[i]})
		}
		bytes = (memHeap() - before) / n
		runtime.KeepAlive(m)
	}
	b.ReportMetric(bytes, "B/member")
}

// BenchmarkMemoryRoom100k joins a room of 100,000 members, leaves it, and lists it in pages
// of 100.
func BenchmarkMemoryRoom100k(b *testing.B) {
	m := presence.NewMemoryStore()
	for _, user := range memUsers(100_000) {
		memJoin(b, m, memSeat("room", user))
	}
	p99 := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)*99/100].Nanoseconds())
	}
	timed := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	var joins, pages []time.Duration
	for i := 0; b.Loop(); i++ {
		seat := memSeat("room", fmt.Sprint("newcomer ", i))
		joins = append(joins, timed(func() { memJoin(b, m, seat) }))
		memLeave(b, m, seat)
		for cursor, n := "", 0; n < 10; n++ {
			pages = append(pages, timed(func() { _, cursor, _ = m.List(context.Background(), "room", cursor, 100) }))
		}
	}
	b.ReportMetric(p99(joins), "ns-p99/join")
	b.ReportMetric(p99(pages), "ns-p99/page")
}

// BenchmarkMemoryStatus looks 100 users up, most of them online.
func BenchmarkMemoryStatus(b *testing.B) {
	m := presence.NewMemoryStore()
	all := memUsers(100_000)
	for i, user := range all {
		if i%4 > 0 {
			memJoin(b, m, memSeat("", user))
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		first := i * 100 % len(all)
		if got, err := m.Get(context.Background(), "", all[first:first+100]...); len(got) != 100 || err != nil {
			b.Fatal(len(got), err)
		}
	}
}
