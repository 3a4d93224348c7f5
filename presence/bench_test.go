package presence_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func BenchmarkFrom(b *testing.B) {
	p := newTracker(b, nil)
	_, so := serve(b, p).join(b, as("alice"))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := p.From(so); !ok {
			b.Fatal("no user")
		}
	}
}

// BenchmarkConnect is a client that joins a namespace and leaves it, over loopback: the
// server and the client together.
func BenchmarkConnect(b *testing.B) {
	for _, c := range []string{"presence", "empty"} {
		b.Run(c, func(b *testing.B) {
			mw := newTracker(b, &presence.Options{Grace: -1}).Middleware()
			if c == "empty" {
				mw = wrap.Func(func(context.Context, *socket.Socket) error { return nil })
			}
			joined, left := make(chan struct{}, 1), make(chan struct{}, 1)
			s := siotest.Config{Options: wrap.Harden(nil)}.NewServer(b, func(io *socket.Server) {
				wrap.UseAll(io, mw)
				_ = io.Of("/other", nil).On("connection", func(args ...any) {
					so, _ := args[0].(*socket.Socket)
					_ = so.On("disconnect", func(...any) { left <- struct{}{} })
					joined <- struct{}{}
				})
			})
			d := as("alice")
			d.NoConnect = true
			client := s.Dial(b, d)
			b.ReportAllocs()
			for b.Loop() {
				client.Connect("/other", nil)
				if p := client.Next(b); p.Type != siotest.TypeConnect {
					b.Fatal(p)
				}
				<-joined
				client.Disconnect("/other")
				<-left
			}
		})
	}
}

func BenchmarkStatus(b *testing.B) {
	store := newMemory(b)
	p := newTracker(b, &presence.Options{Store: store})
	users := make([]string, 100)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
		memJoin(b, store, memSeat("", users[i]))
	}
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if all, err := p.Status(b.Context(), users[:n]...); err != nil || !all[0].Online {
					b.Fatal(all, err)
				}
			}
		})
	}
}

// BenchmarkStatusAway is what is known of one user without the Store, beside others.
func BenchmarkStatusAway(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			store := newRogue(b)
			p := newTracker(b, &presence.Options{Store: store, Logger: quiet})
			for i := range n {
				presence.Hold(p, fmt.Sprint("user-", i))
			}
			store.leave()
			b.ReportAllocs()
			for b.Loop() {
				if all, err := p.Status(b.Context(), "user-0"); err != nil || !all[0].Stale {
					b.Fatal(all, err)
				}
			}
		})
	}
}

// BenchmarkChange is a change that is told to functions given to Watch.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			store := newRogue(b)
			p := newTracker(b, &presence.Options{Store: store})
			var told atomic.Int64
			for range n {
				defer p.Watch(func(presence.Change) { told.Add(1) })()
			}
			siotest.Eventually(b, "the Store was looked at", func() bool { return presence.Settled(p) })
			b.ReportAllocs()
			version := uint64(0)
			for b.Loop() {
				version++
				store.tell(event(presence.Updated, "alice", version))
				for told.Load() < int64(version)*int64(n)-1000 { // they do not fall behind
				}
			}
		})
	}
}
