package ratelimit

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"time"

	"github.com/sioware/sioware/internal/clientip"
	"github.com/sioware/sioware/internal/nilptr"
	"github.com/sioware/sioware/internal/unit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Outage says how to decide while the Store cannot be asked.
type Outage int

// The ways to decide while the Store cannot be asked.
const (
	// Insured lets this node decide by what has passed through it alone. N nodes then
	// allow up to N times the limit. A connection that was let in this way has a slot
	// of this node alone (Options.Concurrent) until it ends, even when the Store is
	// back. This is the default.
	Insured Outage = iota
	// Open allows everything, except to those whom this node knows to be banned.
	Open
	// Closed refuses everything, with code unavailable. Events are not exempt.
	Closed
)

// Key returns who a socket is counted as: sockets with one key share its limits. If
// ok is false, that is the client's address.
//
// It is called when a socket connects and, since the middlewares behind may know
// more, once again at its first event. It is called concurrently, and must not block.
type Key func(s *socket.Socket) (key string, ok bool)

// ByIP counts by the client's address, an IPv6 one by its first Options.IPv6Prefix
// bits. It is the default. All clients whose address is unknown share their limits.
func ByIP(*socket.Socket) (string, bool) { return "", false }

// ByUser counts by user, as returned by subject, such as auth.Subject of package jwtauth,
// and those without a user by address; with a nil subject it is [ByIP]. Attempts to connect
// are counted by user only if the Limiter stands behind what authenticates.
func ByUser(subject func(s *socket.Socket) (string, bool)) Key { return subject }

// Penalty is for clients that go on although they are refused.
type Penalty struct {
	// After is how many refusals of events and of bytes a key may have: at one more,
	// the socket is disconnected (see wrap.Kick). Attempts to connect do not count,
	// since an address may be shared by a crowd of well-behaved clients. The zero
	// Limit means any number, and no penalty.
	After Limit

	// Ban, if positive, also keeps the key out: for that long the first time, for twice
	// as long the second time and so on, up to MaxBan and to 4096 times Ban. After each
	// MaxBan without a new ban, one doubling is forgotten. Sockets of a banned key are
	// disconnected at their next event, on the node that has banned it; all nodes
	// refuse new ones. A client whose key is known only behind the Limiter gets in, and
	// is disconnected at its first event: to keep banned users out, let the Limiter
	// stand behind what authenticates.
	Ban time.Duration

	// MaxBan is the longest ban: 32 times Ban if 0. At most 30 days.
	MaxBan time.Duration
}

// Refusal is what [Options].Refused is called with.
type Refusal struct {
	Verdict Verdict
	Key     string         // who is counted: "ip:" and an address, or "key:" and a key
	Socket  *socket.Socket // nil for a handshake
	Event   string         // the event's name, if it is one; up to the client
	DryRun  bool           // it was not refused
}

// Limits and defaults of [Options].
const (
	defaultIPv6Prefix = 64
	maxBan            = 30 * 24 * time.Hour
	banGrowth         = 32
)

// Options configure a [Limiter]. The zero value, and nil, limit attempts alone.
type Options struct {
	// Key says who is counted. Nil means [ByIP].
	Key Key

	// Concurrent is how many connections a key may have at a time; 0 means any number. One
	// connection in several namespaces counts once, from when it is in the first until it has
	// left the last, or was refused there (a client that then stays is closed by the host,
	// after its ConnectTimeout). More are refused with code too_many_connections. The Store
	// must be a [SlotStore]. The key is the one from when the socket connects.
	Concurrent int

	// Events limits all events of a key together. The zero Limit means none.
	Events Limit

	// Event limits events by name, in addition to Events, which is charged only if
	// this limit allows the event. (This limit stays charged even if Events does not
	// allow it.) Names apply to all namespaces that the Limiter is used in.
	Event map[string]Limit

	// Cost is how much an event takes of Events; nil means 1 for each. With 0 the event is
	// free; more than the burst is never allowed; a negative cost, or a panic, refuses the
	// event with code internal and takes 1. It is called concurrently, and must not block.
	Cost func(s *socket.Socket, e *wrap.Event) int64

	// Bytes limits what the connections of a key send, counted as it arrives and on each node
	// alone; the type of a packet is one byte. Packets are never split: one that is larger
	// than what is left is let through, and the rest is owed, up to 15 bursts. While something
	// is owed, events and acks are dropped before they are decoded. CONNECTs, pings and the
	// like pass, but are counted, and count as refusals for the Penalty. A client that would
	// owe more by its CONNECTs or attachments is disconnected. The key is that of the
	// connection's first socket when it connects.
	Bytes Limit

	// Penalty is for clients that go on although they are refused.
	Penalty Penalty

	// Emit also sends the event "rate_limited" {code, message, policy, event, retryable,
	// retryAfterMs} to a client whose event was refused, at most once a second per
	// socket. Events without an ack have no other answer.
	Emit bool

	// TrustedProxies are the addresses of the proxies in front. A request from one of
	// them belongs to the client that ProxyHeader names: the last address there that
	// is not that of a trusted proxy. An entry that is not an address ("unknown", a
	// quoted string without its end) ends the search: the client is then the proxy
	// that added it, as it is without the header, and shares its limits with all
	// others of which no more is known. If empty, the header is never read.
	TrustedProxies []netip.Prefix

	// ProxyHeader is the header in which the proxies name the client:
	// "X-Forwarded-For" if empty. "Forwarded" is read as RFC 7239 says, any other as
	// one address or a list of addresses.
	ProxyHeader string

	// IPv6Prefix is how many bits of an IPv6 address count as one client: 64 if 0, which
	// is the least that one customer has. 32 to 128. Each IPv4 address counts on its own,
	// even one that a translator has put into 64:ff9b::/96 (RFC 6052).
	IPv6Prefix int

	// Allow lists addresses that are not limited, and Deny those that are refused
	// with code forbidden. Deny takes precedence.
	Allow, Deny []netip.Prefix

	// DryRun decides and calls Refused, but refuses nothing.
	DryRun bool

	// Store keeps the buckets. Nil means a new [MemoryStore]; with [Limiter.Update], the
	// one in use.
	Store Store

	// Outage says how to decide while the Store cannot be asked.
	Outage Outage

	// Name separates the keys of this Limiter from those of others that use the same Store.
	Name string

	// Refused, if not nil, is called with each refusal, for metrics. It is called concurrently
	// and often, and must not block. A panic in it is logged.
	Refused func(r Refusal)

	// Logger gets bans and outages of the Store, and refusals at level Debug. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// audit returns the policy of a copy of o with its defaults set, and all faults of it and
// of connect. The policy is complete after follow.
func (o *Options) audit(connect Limit) (*policy, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("ratelimit: "+format, args...))
	}
	check := func(name string, l Limit) {
		if l == (Limit{}) {
			return
		}
		if err := l.fault(); err != nil {
			fault("%s: %w", name, err)
		}
	}

	if !connect.unlimited() {
		if err := connect.fault(); err != nil {
			fault("connect: %w", err)
		}
	}
	check("Events", c.Events)
	check("Bytes", c.Bytes)
	c.Event = maps.Clone(c.Event)
	for name, l := range c.Event {
		if name == "" {
			fault("Event: empty name")
		}
		if err := l.fault(); err != nil {
			fault("Event: %.100q: %w", name, err)
		}
	}
	if c.Cost != nil && c.Events == (Limit{}) {
		fault("Cost: set without Events")
	}
	if c.Concurrent < 0 {
		fault("Concurrent: %d is negative", c.Concurrent)
	}
	if nilptr.Is(c.Store) {
		fault("Store: a nil %T", c.Store)
	}
	if _, ok := c.Store.(SlotStore); !ok && c.Store != nil && c.Concurrent > 0 {
		faults = append(faults, errSlots)
	}
	c.Penalty, faults = c.Penalty.audit(faults)
	if c.IPv6Prefix == 0 {
		c.IPv6Prefix = defaultIPv6Prefix
	}
	if c.IPv6Prefix < 32 || c.IPv6Prefix > 128 {
		fault("IPv6Prefix: %d is not between 32 and 128", c.IPv6Prefix)
	}
	clients, proxies := clientip.New(c.TrustedProxies, c.ProxyHeader)
	allowed, allow := clientip.NewSet("Allow", c.Allow)
	denied, deny := clientip.NewSet("Deny", c.Deny)
	for _, err := range []error{proxies, allow, deny} {
		var several interface{ Unwrap() []error }
		if errors.As(err, &several) {
			for _, err := range several.Unwrap() {
				fault("%w", err)
			}
		}
	}
	if c.Outage < Insured || c.Outage > Closed {
		fault("Outage: unknown policy %d", c.Outage)
	}
	if c.Key == nil {
		c.Key = ByIP
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &policy{Options: c, connect: connect, clients: clients, allow: allowed, deny: denied}, errors.Join(faults...)
}

// audit returns p with its defaults set, and appends its faults to faults.
func (p Penalty) audit(faults []error) (Penalty, []error) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("ratelimit: Penalty: "+format, args...))
	}
	if p.After == (Limit{}) {
		if p.Ban != 0 || p.MaxBan != 0 {
			fault("Ban is set without After")
		}
		return p, faults
	}
	if err := p.After.fault(); err != nil {
		fault("After: %w", err)
	}
	for _, err := range []error{unit.Check("Ban", p.Ban), unit.Check("MaxBan", p.MaxBan)} {
		if err != nil {
			fault("%w", err)
		}
	}
	if p.MaxBan == 0 {
		p.MaxBan = max(p.Ban, min(p.Ban*banGrowth, maxBan))
	}
	if p.Ban < 0 || p.Ban > maxBan {
		fault("Ban: %v is not between 0 and %v", p.Ban, maxBan)
	}
	if p.MaxBan < p.Ban || p.MaxBan > maxBan {
		fault("MaxBan: %v is not between Ban and %v", p.MaxBan, maxBan)
	}
	return p, faults
}
