package ratelimit

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"reflect"
	"strconv"

	"github.com/sioware/sioware/internal/clientip"
	"github.com/zishang520/socket.io/v2/socket"
)

// policy is what a Limiter does at one time. It is immutable.
type policy struct {
	Options
	connect     Limit
	clients     *clientip.Source
	allow, deny clientip.Set
	prefix      string // of all keys in the store
	generation  uint64 // counts the policies of a Limiter
	tier        *tier

	bytes *MemoryStore
	owing Limit // Bytes, with room for what may be owed
	debt  int64 // tokens of owing that are debt

	level  Limit // counts how often a key has been banned
	banned Limit // the longest ban
}

// levels is how often a ban can double.
const levels = 12

// follow completes a policy without faults. It takes over the stores of before, the policy
// so far, which may be nil.
func (p *policy) follow(before *policy) error {
	o := p.Options
	p.prefix = strconv.Itoa(len(o.Name)) + ":" + o.Name
	if before != nil {
		p.tier, p.bytes, p.generation = before.tier, before.bytes, before.generation+1
	} else {
		p.bytes = NewMemoryStore(0)
	}
	switch {
	case p.Store == nil && before == nil:
		p.tier = newTier(NewMemoryStore(0), o.Outage, o.Logger)
	case p.Store == nil:
		p.tier = p.tier.with(o.Outage, o.Logger)
	case before == nil || !same(before.tier.store, p.Store):
		p.tier = newTier(p.Store, o.Outage, o.Logger)
	default:
		p.tier = p.tier.with(o.Outage, o.Logger)
	}
	if _, ok := p.tier.store.(SlotStore); !ok && p.Concurrent > 0 {
		return errSlots
	}
	if p.Bytes != (Limit{}) {
		p.owing, p.debt = withDebt(p.Bytes)
	}
	if p.Penalty.Ban > 0 {
		p.banned = Every(p.Penalty.MaxBan)
		p.level = Every(p.Penalty.MaxBan).Burst(levels) // one ban is forgotten per MaxBan
	}
	return nil
}

// same reports whether two stores are the same.
func same(a, b Store) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// Kinds of keys in the store, before the key.
const (
	kindHandshake  = "h"
	kindConnect    = "c"
	kindConcurrent = "k"
	kindEvents     = "e"
	kindEvent      = "n" // length of the name, ":", name
	kindRefusals   = "r"
	kindLevel      = "l"
	kindBan        = "b"
	kindBytes      = "y"
)

// storeKey returns the key for use in the store. Parts whose length others choose are
// preceded by it: "ab" and "c" are not "a" and "bc".
func (p *policy) storeKey(kind, key string) string { return p.prefix + kind + key }

func (p *policy) eventKey(name, key string) string {
	return p.storeKey(kindEvent, strconv.Itoa(len(name))+":"+name+key)
}

// address returns the key of a client's address.
func (p *policy) address(a netip.Addr) string {
	if !a.IsValid() {
		return "ip:unknown"
	}
	if a.Is4() {
		return "ip:" + a.String()
	}
	return "ip:" + clientip.Group(a, p.IPv6Prefix).String()
}

// keyOf returns who s is counted as.
func (p *policy) keyOf(s *socket.Socket, a netip.Addr) string {
	if key, ok := p.Key(s); ok {
		return "key:" + key
	}
	return p.address(a)
}

// standing returns what the lists say about the address of r: policyAllow, policyDeny or "".
func (p *policy) standing(r *http.Request) (a netip.Addr, policy string) {
	a = p.clients.Of(r)
	return a, p.listed(a)
}

func (p *policy) listed(a netip.Addr) string {
	switch {
	case p.deny.Contains(a):
		return policyDeny
	case p.allow.Contains(a):
		return policyAllow
	}
	return ""
}

// attempt decides about an attempt of kind. What this node knows comes first.
func (p *policy) attempt(ctx context.Context, kind, key string) (Verdict, error) {
	if v := p.knownBanOf(key); !v.Allowed {
		return v, nil
	}
	v := Verdict{Allowed: true, Policy: policyConnect}
	if !p.connect.unlimited() {
		var err error
		if v, _, err = p.tier.take(ctx, p.storeKey(kind, key), p.connect, 1); err != nil {
			return Verdict{}, err
		}
		v.Policy = policyConnect
	}
	if v.Allowed && p.Penalty.Ban > 0 && !p.tier.alone() {
		if ban, err := p.ban(ctx, key); err != nil || !ban.Allowed {
			return ban, err
		}
	}
	return v, nil
}

// ban returns a refusal while key is banned.
func (p *policy) ban(ctx context.Context, key string) (Verdict, error) {
	if v := p.knownBanOf(key); !v.Allowed || p.tier.alone() {
		return v, nil
	}
	ban := p.storeKey(kindBan, key)
	v, _, err := p.tier.take(ctx, ban, p.banned, 0)
	if err != nil {
		return Verdict{}, err
	}
	if v.ResetAfter > 0 { // so that the store is not asked again
		p.tier.local.note(ban, Every(v.ResetAfter))
	}
	return banVerdict(v), nil
}

// knownBan returns a refusal if this node knows of a ban. It is called for each
// event, and does not ask the store.
func (p *policy) knownBan(ban string) Verdict {
	if p.Penalty.Ban == 0 {
		return Verdict{Allowed: true}
	}
	v, own, err := p.tier.local.take(ban, p.banned, 0)
	if err != nil || !own {
		return Verdict{Allowed: true}
	}
	return banVerdict(v)
}

// knownBanOf is knownBan for a key that is not in the store's form.
func (p *policy) knownBanOf(key string) Verdict {
	if p.Penalty.Ban == 0 {
		return Verdict{Allowed: true}
	}
	return p.knownBan(p.storeKey(kindBan, key))
}

// banVerdict turns a verdict on the bucket that stands for a ban into one on the
// ban: the time until the bucket is full is what is left of the ban.
func banVerdict(v Verdict) Verdict {
	if v.ResetAfter == 0 {
		return Verdict{Allowed: true, Degraded: v.Degraded, Policy: policyBan}
	}
	return Verdict{Degraded: v.Degraded, Policy: policyBan, RetryAfter: v.ResetAfter, ResetAfter: v.ResetAfter}
}

// strike counts a refusal of key. out means that it has been refused too often; then
// the verdict is that of its ban, and has no Policy if there is none. A key for which
// the store has no room is not blamed for what others do.
func (p *policy) strike(ctx context.Context, key string) (ban Verdict, out bool) {
	if p.Penalty.After == (Limit{}) || p.DryRun {
		return Verdict{}, false
	}
	// The events of a socket come here at once, and the first that knows of the ban puts it
	// out, which ends ctx: what the others are telling the Store must reach it all the same.
	ctx = context.WithoutCancel(ctx)
	v, own, err := p.tier.take(ctx, p.storeKey(kindRefusals, key), p.Penalty.After, 1)
	if err != nil || v.Allowed || !own {
		return Verdict{}, false
	}
	if p.Penalty.Ban == 0 {
		return Verdict{}, true
	}
	before, _, err := p.tier.take(ctx, p.storeKey(kindLevel, key), p.level, 0)
	if err != nil {
		return Verdict{}, true
	}
	d := p.Penalty.Ban
	for range before.Limit - before.Remaining {
		d = min(2*d, p.Penalty.MaxBan)
	}
	// The bucket of a ban holds one token, which takes as long as the ban to come
	// back: if several callers come here at once, on any node, one gets it.
	got, own, err := p.tier.take(ctx, p.storeKey(kindBan, key), Every(d), 1)
	if err == nil && own && got.Allowed {
		_, _, err = p.tier.take(ctx, p.storeKey(kindLevel, key), p.level, 1)
		p.Logger.LogAttrs(ctx, slog.LevelWarn, "ratelimit: banned",
			slog.String("key", key), slog.Duration("for", d), slog.Int64("before", before.Limit-before.Remaining), slog.Any("error", err))
	}
	if ban, err := p.ban(ctx, key); err == nil && !ban.Allowed {
		return ban, true
	}
	return Verdict{}, true
}

// told reports a refusal to the application and the log.
func (p *policy) told(ctx context.Context, r Refusal) {
	if r.Verdict.Policy == "" {
		return // in a dry run, if nothing could be decided
	}
	r.DryRun = p.DryRun
	if p.Refused != nil {
		guard(p.Logger, "Refused", func() { p.Refused(r) })
	}
	if p.Logger.Enabled(ctx, slog.LevelDebug) {
		p.Logger.LogAttrs(ctx, slog.LevelDebug, "ratelimit: refused",
			slog.String("policy", r.Verdict.Policy), slog.String("key", r.Key), slog.String("event", shorten(r.Event)),
			slog.Duration("retryAfter", r.Verdict.RetryAfter), slog.Bool("degraded", r.Verdict.Degraded),
			slog.Bool("dryRun", r.DryRun))
	}
}

// maxName is how many bytes of an event's name are logged or sent.
const maxName = 100

func shorten(name string) string {
	if len(name) > maxName {
		return name[:maxName]
	}
	return name
}
