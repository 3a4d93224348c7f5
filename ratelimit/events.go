package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/sioware/sioware/internal/wire"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// What the lists of a policy say about a member's address; the generation
// follows in the higher bits.
const (
	exempt = 1 << iota
	denied
	standingBits = iota
)

// look looks up the member in the lists of p, and remembers what they say: once for
// each policy, not for each event.
func (m *member) look(p *policy) (standing uint64) {
	standing = p.generation << standingBits
	switch listed := p.listed(m.addr); {
	case listed == policyAllow, listed == policyDeny && p.DryRun:
		standing |= exempt
	case listed == policyDeny:
		standing |= denied
	}
	m.listed.Store(standing)
	return standing
}

// event is the packet middleware of a socket.
func (m *member) event(ctx context.Context, s *socket.Socket, e *wrap.Event) error {
	p := m.l.policy.Load()
	standing := m.listed.Load()
	if standing>>standingBits != p.generation {
		standing = m.look(p)
	}
	switch {
	case standing&denied != 0:
		return m.deny(ctx, p, s, e)
	case standing&exempt != 0, p.quiet():
		return nil
	}
	if k := m.keys.Load(); k != nil && p.tier.alone() {
		// Here, before the stack gets deeper; see pass.
		if now := p.tier.local.now(); k.pass(p, e.Name, now) {
			return nil
		}
	}
	return m.limit(ctx, p, s, e)
}

// pass lets most events through without a Verdict: the goroutine of an event has a small
// stack, which would have to grow. It returns false if there is more to decide, and has
// taken nothing then.
func (k *keys) pass(p *policy, name string, now int64) bool {
	if k.generation != p.generation || p.Cost != nil || p.Events == (Limit{}) {
		return false
	}
	if len(p.Event) > 0 { // a map lookup takes some stack as well
		if _, named := p.Event[name]; named {
			return false
		}
	}
	local := p.tier.local
	if p.Penalty.Ban > 0 && local.find(k.banHash) != nil {
		return false
	}
	e := local.find(k.eventsHash)
	if e == nil {
		return false
	}
	_, allowed, ok := local.charge(e, k.eventsHash, now, p.Events.rate, 1)
	return allowed && ok
}

// limit is event for those that pass does not let through.
func (m *member) limit(ctx context.Context, p *policy, s *socket.Socket, e *wrap.Event) error {
	k := m.keysFor(p, s)
	turn, err := k.begin(ctx)
	if err != nil {
		return wrap.ErrHandled // there is nobody to answer
	}
	v := Verdict{Policy: policyEvents, RetryAfter: patience} // if it gets no turn
	if turn {
		defer k.end()
		v, err = m.judge(ctx, p, k, s, e)
	}
	switch {
	case v.Allowed && err == nil:
		return nil
	case err != nil && p.DryRun:
		return nil
	case err != nil && ctx.Err() != nil:
		return wrap.ErrHandled // there is nobody to answer
	case err != nil:
		return p.failure(ctx, err, Refusal{Key: k.key, Socket: s, Event: e.Name})
	}
	p.told(ctx, Refusal{Verdict: v, Key: k.key, Socket: s, Event: e.Name})
	if p.DryRun {
		return nil
	}
	out := v.Policy == policyBan
	if turn && !out { // a strike may ask the Store
		var ban Verdict
		if ban, out = p.strike(ctx, k.key); ban.Policy != "" {
			v = ban
		}
	}
	refused := refusal(v)
	if out {
		refused.Err = errOut
		return putOut(s, e, refused)
	}
	if p.Emit {
		m.emit(s, e.Name, refused)
	}
	return refused
}

// deny refuses an event of a member whose address has been added to Options.Deny since it
// connected.
func (m *member) deny(ctx context.Context, p *policy, s *socket.Socket, e *wrap.Event) error {
	v := Verdict{Policy: policyDeny}
	p.told(ctx, Refusal{Verdict: v, Key: p.keyOf(s, m.addr), Socket: s, Event: e.Name})
	return putOut(s, e, refusal(v))
}

// putOut refuses an event, and disconnects its socket.
func putOut(s *socket.Socket, e *wrap.Event, refused *wrap.Error) error {
	// The answer first: a disconnected socket sends nothing.
	if e.Ack != nil {
		e.Ack([]any{refused.ClientData()}, nil)
	}
	wrap.Kick(s, refused)
	return wrap.ErrHandled
}

// quiet reports whether events are not limited.
func (p *policy) quiet() bool {
	return p.Events == (Limit{}) && len(p.Event) == 0 && p.Penalty.Ban == 0
}

// judge decides about an event.
func (m *member) judge(ctx context.Context, p *policy, k *keys, s *socket.Socket, e *wrap.Event) (Verdict, error) {
	if v := p.knownBan(k.ban); !v.Allowed {
		return v, nil
	}
	if p.Penalty.Ban > 0 && !k.asked.Load() {
		// All events that come before there is an answer ask: none may pass.
		v, err := p.ban(ctx, k.key)
		if err != nil || !v.Allowed {
			return v, err
		}
		k.asked.Store(!v.Degraded)
	}
	if l, ok := p.Event[e.Name]; ok {
		v, _, err := p.tier.take(ctx, k.named(p, e.Name), l, 1)
		if err != nil {
			return Verdict{}, err
		}
		if !v.Allowed {
			v.Policy = policyEvent + e.Name
			return v, nil
		}
	}
	if p.Events == (Limit{}) {
		return Verdict{Allowed: true}, nil
	}
	cost, fault := p.cost(s, e)
	if cost == 0 && fault == nil {
		return Verdict{Allowed: true}, nil
	}
	v, _, err := p.tier.take(ctx, k.events, p.Events, cost)
	if err != nil {
		return Verdict{}, err
	}
	if v.Allowed && fault != nil {
		return Verdict{}, fault
	}
	v.Policy = policyEvents
	return v, nil
}

// cost asks the application. With an error it is one, so that whoever can cause an
// error does not get events for free.
func (p *policy) cost(s *socket.Socket, e *wrap.Event) (n int64, err error) {
	if p.Cost == nil {
		return 1, nil
	}
	defer func() {
		if v := recover(); v != nil {
			panicked(wrap.Context(s), p.Logger, "Options.Cost", v)
			n, err = 1, fmt.Errorf("%w: panic: %v", errCost, v)
		}
	}()
	if n = p.Cost(s, e); n < 0 {
		return 1, fmt.Errorf("%w: %w: %d", errCost, ErrCost, n)
	}
	return n, nil
}

// emitEvery is how often at most a client is notified of refusals by an event.
const emitEvery = time.Second

// emit notifies the client with an event.
func (m *member) emit(s *socket.Socket, name string, e *wrap.Error) {
	now := int64(time.Since(started))
	last := m.told.Load()
	if last != 0 && now-last < int64(emitEvery) || !m.told.CompareAndSwap(last, now) {
		return
	}
	data := e.ClientData()
	if name != "" {
		data["event"] = shorten(name)
	}
	wire.Emit(s, "rate_limited", data)
}
