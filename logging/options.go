package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/sioware/sioware/internal/clientip"
	"github.com/sioware/sioware/internal/nilptr"
	"github.com/sioware/sioware/logging/internal/redact"
	"github.com/zishang520/socket.io/v2/socket"
)

// Limits and defaults of [Options] and [Sample].
const (
	defaultRecorder = 32
	maxRecorder     = 1024
	defaultFirst    = 10
	defaultEvery    = 100
)

// Options configure a [Logger]. The zero value, and nil, log connections and requests,
// and no events.
type Options struct {
	// Level is that of the records of sockets that come and go, and of requests that were
	// answered. Nil means slog.LevelInfo. It may change while the Logger runs, as a
	// slog.LevelVar does. The levels of refusals and faults are fixed; see the package
	// documentation.
	Level slog.Leveler

	// Events turns on records of events, which has a cost: see the package documentation.
	// Nil means none, except for events that failed through a fault of ours.
	Events *Sample

	// Observer is told what the records say, for metrics; nil means none.
	Observer Observer

	// User names the user of a socket, like auth.Subject of package jwtauth. It is called
	// when the socket connects, and for its records; the user may not be known by then. It runs
	// concurrently, and must not block. If it panics, there is no user.
	User func(s *socket.Socket) (user string, ok bool)

	// Attrs returns further attributes for the records of a socket, and for the logger
	// that [Logger.From] returns. It is called like User. What it returns is kept as long
	// as the socket, and must not refer to it: otherwise neither would ever be collected.
	Attrs func(s *socket.Socket) []slog.Attr

	// Recorder is how many of its last events a socket remembers, for its record if it
	// ends abnormally: 32 if 0, none if negative, and at most 1024. An event takes 24
	// bytes once it has arrived, and up to 64 for a name that none of the eight before it
	// has. With a parser other than the stock one none are remembered.
	Recorder int

	// Secrets are further names of attributes that hold secrets; see [Redact].
	Secrets []string

	// TrustedProxies are the addresses of the proxies in front. A request from one of
	// them is attributed to the client that ProxyHeader names: the last address in it
	// that is not a trusted proxy. An entry that is not an address ("unknown") ends the
	// search, with the address of the proxy that added it. Without TrustedProxies the
	// header is never read.
	TrustedProxies []netip.Prefix

	// ProxyHeader is the header in which the proxies name the client: "X-Forwarded-For"
	// if empty. "Forwarded" is parsed according to RFC 7239, any other as one address or
	// a list of them.
	ProxyHeader string

	// InsecureSecrets passes records on without [Redact]. What applications put into
	// error texts, and clients into names, then ends up in the log.
	InsecureSecrets bool
}

// Sample says which events are recorded: of those with one name, in each second, the
// first First and then one in Every. Names share 512 counters, to which they are assigned
// at random, so that no client can make more. An event that was refused is always
// recorded, unless it was rate_limited.
type Sample struct {
	// Level is that of events that were accepted, handled by a middleware, or refused as
	// rate_limited. Nil means slog.LevelDebug. Other refusals have level Warn, and faults
	// Error.
	Level slog.Leveler

	// First is 10 if 0, and Every is 100 if 0. With Every 1 all events are recorded.
	First, Every int
}

// audit returns a copy of o with defaults filled in, and all its faults.
func (o *Options) audit() (Options, *clientip.Source, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("logging: "+format, args...))
	}
	for _, f := range []struct {
		name  string
		value any
	}{{"Level", c.Level}, {"Observer", c.Observer}} {
		if nilptr.Is(f.value) {
			fault("%s: a nil %T", f.name, f.value)
		}
	}
	if c.Level == nil {
		c.Level = slog.LevelInfo
	}
	if c.Events != nil {
		e := *c.Events
		if nilptr.Is(e.Level) {
			fault("Events: Level: a nil %T", e.Level)
		}
		if e.Level == nil {
			e.Level = slog.LevelDebug
		}
		if e.First < 0 || e.Every < 0 {
			fault("Events: First %d or Every %d is negative", e.First, e.Every)
		}
		if e.First == 0 {
			e.First = defaultFirst
		}
		if e.Every == 0 {
			e.Every = defaultEvery
		}
		c.Events = &e
	}
	switch {
	case c.Recorder == 0:
		c.Recorder = defaultRecorder
	case c.Recorder > maxRecorder:
		fault("Recorder: %d is more than %d", c.Recorder, maxRecorder)
	}
	for _, name := range c.Secrets {
		switch {
		case name == "":
			fault("Secrets: an empty name")
		case !redact.IsName(name):
			fault("Secrets: %q has neither letters nor digits", name)
		}
	}
	proxies, err := clientip.New(c.TrustedProxies, c.ProxyHeader)
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, err := range several.Unwrap() {
			fault("%w", err)
		}
	}
	return c, proxies, errors.Join(faults...)
}
