package ratelimit

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/sioware/sioware/internal/deadline"
	"github.com/sioware/sioware/internal/wire"
	"github.com/sioware/sioware/ratelimit/internal/gcra"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

// debts is how many bursts of bytes a key may owe: what has arrived has arrived,
// and a message that is larger than what is left is not cut off half way.
const debts = 15

// withDebt returns the limit of a bucket that also has room for what may be owed, and how
// many of its tokens are for that: as many are left when those of l are used up.
func withDebt(l Limit) (Limit, int64) {
	for n := int64(debts); n > 0; n /= 2 {
		if owing := limit(l.n, l.per, l.burst*(n+1)); owing.fault() == nil {
			return owing, l.burst * n
		}
	}
	return l, 0
}

// started is the time that others are measured from, on the monotonic clock.
var started = time.Now()

// meter counts what arrives on a connection. It must not refer to the connection.
type meter struct {
	l        *Limiter
	client   *client
	key      string // who is counted
	protocol int    // of Engine.IO

	mu          sync.Mutex // two goroutines read during an upgrade to WebSocket: a POST may be under way
	generation  uint64     // of the policy that storeKey is from
	storeKey    string
	attachments uint64 // still to come, of a packet that was dropped
}

// meter has what arrives on the connection of s counted, for key.
func (l *Limiter) meter(s *socket.Socket, c *client, key string) {
	c.once.Do(func() {
		m := &meter{l: l, client: c, key: key, protocol: s.Conn().Protocol()}
		_ = s.Conn().On("packet", m.incoming)
	})
}

// incoming sees each packet before the host's decoder does: the engine emits it
// (engine/socket.go:201), and then looks at its type.
func (m *meter) incoming(args ...any) {
	if len(args) == 0 {
		return
	}
	in, ok := args[0].(*packet.Packet)
	if !ok {
		return
	}
	p := m.l.policy.Load()
	m.mu.Lock()
	f, retry, refused, out := m.judge(p, in)
	m.mu.Unlock() // before waiting for the Store
	if refused {
		m.refuse(p, f, retry, out)
	}
}

// judge charges a packet, and hides it from the host if it is to be dropped. f is what
// an answer needs to know about a refused packet. m.mu is held.
func (m *meter) judge(p *policy, in *packet.Packet) (f wire.Frame, retry time.Duration, refused, out bool) {
	retry, fits := m.charge(p, in)
	text, isText := in.Data.(*types.StringBuffer)
	switch {
	case in.Type != packet.MESSAGE:
		return f, retry, retry != 0, false // not ours to drop
	case isText:
		m.attachments = 0
		if retry == 0 {
			return f, 0, false, false
		}
		frame, known := wire.Parse(text.Bytes())
		switch {
		case !known || frame.Type == parser.DISCONNECT:
			return f, retry, false, false
		case frame.Type == parser.CONNECT:
			return f, retry, true, !fits // it passes: the client waits for an answer
		}
		if !p.DryRun {
			m.attachments = frame.Attachments
			in.Type = packet.NOOP // which the engine ignores
		}
		return frame, retry, true, false
	case m.attachments > 0: // whatever the limits are now
		m.attachments--
		in.Type = packet.NOOP
		return f, retry, false, false
	}
	return f, retry, !fits, true // an attachment of a packet that was let through
}

// charge takes the bytes of a packet, and returns how long it takes until nothing is
// owed, if something was owed before. The packet does not fit if more would be owed
// than is allowed; then as much as is allowed is owed, and a packet that alone would
// exceed that is never let through. m.mu is held.
func (m *meter) charge(p *policy, in *packet.Packet) (retry time.Duration, fits bool) {
	if p.Bytes == (Limit{}) {
		return 0, true
	}
	if m.storeKey == "" || m.generation != p.generation {
		m.generation, m.storeKey = p.generation, p.storeKey(kindBytes, m.key)
	}
	n := int64(1) // its type, or a flood of empty packets would be free
	if data, sized := in.Data.(interface{ Len() int }); sized {
		n += int64(data.Len())
	}
	v, own, err := p.bytes.take(m.storeKey, p.owing, n)
	if err != nil || !own {
		return 0, true
	}
	if v.Allowed && v.Remaining+n > p.debt {
		return 0, true
	}
	if fits = v.Allowed; !fits {
		v, _, _ = p.bytes.take(m.storeKey, p.owing, v.Remaining)
		if n > p.owing.burst {
			return Never, false
		}
	}
	return p.owing.rate.Until(int64(v.ResetAfter)*gcra.Nanosecond, p.debt+1), fits
}

// refuse answers a packet that was dropped, and counts the refusal. With out the client
// is disconnected at once. It runs where the connection is read, and nobody but us
// recovers there.
func (m *meter) refuse(p *policy, f wire.Frame, retry time.Duration, out bool) {
	v := Verdict{Policy: policyBytes, Limit: p.Bytes.burst, RetryAfter: retry, ResetAfter: retry}
	var s *socket.Socket
	if f.Type != 0 {
		s = m.client.socket(f.Path(m.protocol))
	}
	var ban Verdict
	var often bool
	guard(p.Logger, "the counting of bytes", func() {
		ctx := context.Background() // tier.ask bounds each call, and treats a timeout as an outage
		p.told(ctx, Refusal{Verdict: v, Key: m.key, Socket: s})
		if ban = p.knownBanOf(m.key); !ban.Allowed {
			often = true // the rest of a flood; for events, member.judge looks
			return
		}
		ban, often = p.strike(ctx, m.key)
	})
	if p.DryRun {
		return
	}
	if ban.Policy != "" {
		v = ban
	}
	out = out || often
	refused := refusal(v)
	if s != nil && (f.Type == parser.EVENT || f.Type == parser.BINARY_EVENT) {
		if id, err := strconv.ParseUint(string(f.ID), 10, 64); err == nil {
			wire.Ack(s, id, refused.ClientData())
		}
		if member := m.l.members.Load(s); member != nil && p.Emit && !out {
			member.emit(s, "", refused)
		}
	}
	if out {
		refused.Err = errOut
		// A listener of "disconnect" that hangs must not keep the others connected.
		deadline.Each(m.client.all(), patience, func(s *socket.Socket) { wrap.Kick(s, refused) })
	}
}
