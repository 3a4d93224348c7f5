package ratelimit

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/types"
)

// metered returns what counts the bytes of a connection without sockets.
func metered(t *testing.T, o *Options) *meter {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	l, err := New(PerMinute(10), o)
	if err != nil {
		t.Fatal(err)
	}
	return &meter{l: l, client: new(client), key: "ip:192.0.2.1"}
}

// says has m count a text message, and reports whether it is left to the host.
func (m *meter) says(text string) bool {
	p := &packet.Packet{Type: packet.MESSAGE, Data: types.NewStringBufferString(text)}
	m.incoming(p)
	return p.Type == packet.MESSAGE
}

// TestMeterTwoReaders: during an upgrade to WebSocket two goroutines may read. Only the
// race detector notices.
func TestMeterTwoReaders(t *testing.T) {
	t.Parallel()
	m := metered(t, &Options{Bytes: PerHour(10_000)})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for range 1000 {
				m.says(`2["a"]`)
				m.says(`51-["a",{"_placeholder":true,"num":0}]`)
				m.incoming(&packet.Packet{Type: packet.MESSAGE, Data: types.NewBytesBufferString("a")})
			}
		})
	}
	for range 50 {
		if err := m.l.Update(PerMinute(10), &Options{Bytes: PerHour(10_000)}); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
}

// hanging is a store that never answers.
type hanging struct{}

func (hanging) Take(ctx context.Context, _ string, _ Limit, _ int64) (Verdict, error) {
	<-ctx.Done()
	return Verdict{}, ctx.Err()
}

// TestMeterHangingStore: a store that hangs is waited for once, and the Penalty
// continues with what this node knows.
func TestMeterHangingStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := metered(t, &Options{
			Bytes: PerHour(1000), Store: hanging{}, Penalty: Penalty{After: PerHour(3), Ban: time.Hour},
		})
		m.says(`2["` + strings.Repeat("x", 5000) + `"]`)
		begin := time.Now() // synctest's
		for i := range 4 {
			if m.says(`2["a"]`) {
				t.Errorf("message %d passes, though bytes are owed", i)
			}
		}
		if d := time.Since(begin); d > patience {
			t.Errorf("4 messages have waited %v for the store", d)
		}
		p := m.l.policy.Load()
		if v := p.knownBan(p.storeKey(kindBan, m.key)); v.Allowed {
			t.Error("there is no ban after 4 refusals")
		}
	})
}
