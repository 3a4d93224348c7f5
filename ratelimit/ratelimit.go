package ratelimit

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/recovery"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Limiter limits what clients do, from their first request to their last byte. Create
// one with [New], for all namespaces; it is safe for concurrent use. It has no
// goroutine of its own and needs no Close.
type Limiter struct {
	policy  atomic.Pointer[policy]
	update  sync.Mutex
	members sidecar.Map[socket.Socket, member]
	clients sidecar.Map[socket.Client, client]
}

// New returns a Limiter that allows as many attempts to connect as connect says; see
// [Unlimited] for one that allows any number. The error joins all faults of connect
// and opts.
func New(connect Limit, opts *Options) (*Limiter, error) {
	l := new(Limiter)
	if err := l.Update(connect, opts); err != nil {
		return nil, err
	}
	return l, nil
}

// Update gives l other limits and options, as in [New], while it runs. They apply from
// the next decision on, with these exceptions: who a socket is counted as does not
// change, nor does whether a connection is counted by Concurrent, and its bytes by Bytes.
// A socket whose address is denied from then on is disconnected at its next event. A
// bucket whose limit has changed will be full when it would have been before, or sooner
// if that is longer than the new limit allows. After an error nothing has changed.
func (l *Limiter) Update(connect Limit, opts *Options) error {
	p, err := opts.audit(connect)
	if err != nil {
		return err
	}
	l.update.Lock()
	defer l.update.Unlock()
	if err := p.follow(l.policy.Load()); err != nil {
		return err
	}
	l.policy.Store(p)
	return nil
}

// member is what a Limiter keeps for a socket. It must not refer to the socket.
type member struct {
	l       *Limiter
	client  *client
	addr    netip.Addr
	key     string // who was counted when it connected
	verdict Verdict

	keys   atomic.Pointer[keys]
	listed atomic.Uint64 // set by look
	told   atomic.Int64  // when the client was last told of a refusal by an event
}

// Middleware returns the connection middleware, for io.Use, nsp.Use or wrap.UseAll. It
// counts each CONNECT as an attempt, one for each namespace that a client joins, except
// the first if [Limiter.Handler] has counted the handshake for the same key. Then it
// takes, or shares, a slot of Options.Concurrent, and limits the socket's events. See
// the package documentation for what clients are told.
//
// State recovery must run middlewares: set SkipMiddlewares(false), as wrap.Harden does,
// or every socket is refused with code internal, except in a dry run: one that was
// recovered without this middleware would have no limits at all.
func (l *Limiter) Middleware() socket.NamespaceMiddleware {
	return wrap.Func(l.join)
}

// join admits s.
func (l *Limiter) join(ctx context.Context, s *socket.Socket) error {
	if l.members.Load(s) != nil {
		return nil // Middleware is used twice
	}
	p := l.policy.Load()
	if err := recovery.Check(s); err != nil && !p.DryRun {
		return err // or a recovered socket would have no limits
	}
	// The host's request, only read and not kept: wrap.Request makes a copy.
	addr, standing := p.standing(s.Request().Request())
	m := &member{l: l, addr: addr}
	key := p.keyOf(s, addr)
	if standing != "" {
		m.verdict = Verdict{Allowed: standing == policyAllow, Policy: standing}
		if err := l.refuse(ctx, p, s, m, key); err != nil {
			return err
		}
		m.look(p)
		l.members.Store(s, m)
		wrap.UsePacket(s, m.event) // the lists may change
		return nil
	}

	var told bool
	var err error
	if m.verdict, told, err = l.attempt(ctx, p, s, key); err != nil && !p.DryRun {
		return p.failure(ctx, err, Refusal{Key: key, Socket: s})
	}
	if !told {
		if err := l.refuse(ctx, p, s, m, key); err != nil {
			return err
		}
	}
	m.key = key
	if m.client = l.clients.Load(s.Client()); m.client == nil {
		m.client, _ = l.clients.LoadOrStore(s.Client(), new(client))
	}
	if p.Concurrent > 0 && m.verdict.Allowed {
		v, err := l.hold(ctx, p, s, m.client, key)
		if err != nil && !p.DryRun {
			return p.failure(ctx, err, Refusal{Key: key, Socket: s})
		}
		if !v.Allowed {
			m.verdict = v
			if err := l.refuse(ctx, p, s, m, key); err != nil {
				return err
			}
		}
	}
	if p.Bytes != (Limit{}) {
		l.meter(s, m.client, key)
		m.client.add(s)
	}
	l.members.Store(s, m)
	wrap.UsePacket(s, m.event)
	return nil
}

// attempt decides about a CONNECT. The first one of a connection is covered by the
// token that its handshake took, if [Limiter.Handler] has seen it and there has been
// no ban since; told means that its refusal has already been reported, in a dry run.
func (l *Limiter) attempt(ctx context.Context, p *policy, s *socket.Socket, key string) (v Verdict, told bool, err error) {
	t, ok := s.Request().Request().Context().Value(ticketKey{l}).(*ticket)
	if ok && t.key == key && !t.used.Load() {
		ban := p.knownBanOf(key)
		if ban.Allowed && p.Penalty.Ban > 0 && time.Since(t.at) > ticketFresh {
			if ban, err = p.ban(ctx, key); err != nil { // another node may know of one
				return Verdict{}, false, err
			}
		}
		if ban.Allowed && t.used.CompareAndSwap(false, true) {
			return t.verdict, !t.verdict.Allowed && p.DryRun, nil
		}
	}
	v, err = p.attempt(ctx, kindConnect, key)
	return v, false, err
}

// refuse returns the refusal of a socket whose verdict is not to allow it.
func (l *Limiter) refuse(ctx context.Context, p *policy, s *socket.Socket, m *member, key string) error {
	if m.verdict.Allowed {
		return nil
	}
	p.told(ctx, Refusal{Verdict: m.verdict, Key: key, Socket: s})
	if p.DryRun {
		return nil
	}
	return refusal(m.verdict)
}

// From returns the verdict on the attempt with which s connected, and false if it
// has not passed [Limiter.Middleware]. It takes no lock and allocates nothing.
func (l *Limiter) From(s *socket.Socket) (Verdict, bool) {
	if m := l.members.Load(s); m != nil {
		return m.verdict, true
	}
	return Verdict{}, false
}

// Pardon ends the ban of a key and forgets its refusals, in the Store and on this node;
// another node that has refused the key keeps doing so until the ban is over, or until
// Pardon is called there too. The key is as in [Refusal]: "ip:" and an address (an IPv6
// one with its prefix length), or "key:" and a key. It returns the error of the Store.
func (l *Limiter) Pardon(ctx context.Context, key string) error {
	p := l.policy.Load()
	var faults []error
	for _, kind := range []string{kindBan, kindLevel, kindRefusals} {
		// A bucket never takes longer to fill than the limit that it is asked with.
		name, soon := p.storeKey(kind, key), Every(time.Nanosecond)
		for _, store := range []Store{p.tier.local, p.tier.store} {
			if _, err := store.Take(ctx, name, soon, 0); err != nil {
				faults = append(faults, err)
			}
		}
	}
	return errors.Join(faults...)
}
