package presence

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sioware/sioware/internal/nilptr"
	"github.com/zishang520/socket.io/v2/socket"
)

// Policy says which devices stay where a user has more than Options.MaxDevices.
type Policy int

// Policies.
const (
	// NewestWins: those that came first are kicked with code replaced. The default. A
	// client that connects again all the same puts the next one out; where logins are to
	// be ended, not connections, use jwtauth's NewestLogin.
	NewestWins Policy = iota
	// OldestWins: those that are there stay, and a new one is refused with code
	// too_many_connections. One whose connection has broken counts until the server
	// notices, which takes the host's ping interval and timeout (45 seconds by
	// default): its user may be locked out for so long.
	OldestWins
)

// Limits and defaults of [Options].
const (
	defaultGrace      = 15 * time.Second
	maxGrace          = time.Hour
	defaultTimeout    = time.Second
	defaultMaxUser    = 256
	defaultMaxMeta    = 4096
	defaultMaxRooms   = 100
	defaultMaxClients = 100
	maxRoom           = 256
)

// Options are what can be chosen. Its zero value, and nil, are the defaults.
type Options struct {
	// Store keeps who is where; it is the caller's to close, after the Tracker. Nil is
	// a [MemoryStore], for a single process.
	Store Store

	// Grace is how long a user stays online, and a member of his rooms, after his last
	// connection there has ended. 15 seconds if 0, none if negative; at most an hour.
	Grace time.Duration

	// MaxDevices is how many connections a user may have, on all nodes; 0 is no limit. One
	// that has broken without a word is one until the server notices. What a change of a user
	// costs the Store grows with the devices that he has: who may open as many as he likes
	// should have a limit.
	MaxDevices int
	// Policy says which of them stay.
	Policy Policy

	// Meta returns what others are to know of a device, which is marshaled to JSON, when
	// its first socket connects; it must not block. Nil is nothing. If it fails or is too large
	// the device has none.
	Meta func(s *socket.Socket) any

	// Away reports whether the person at a device is away when its first socket connects,
	// as the page may have said in auth: a tab in the background that reconnects is then
	// seen by nobody. It must not block. Nil means that nobody is; see [Tracker.Away].
	Away func(s *socket.Socket) bool

	// Visible reports whether viewer may see that a user is there, comes and goes: in
	// what [Tracker.Broadcast] sends and in [Tracker.MembersFor]. Counts include those that
	// may not be seen. It must not block. Nil means that everybody may; one that panics
	// hides.
	Visible func(viewer *socket.Socket, user string) bool

	// MaxUser is how many bytes the ID of a user may have; 256 if 0. A socket whose
	// user's has more is refused.
	MaxUser int
	// MaxMeta is how many bytes of JSON the metadata of a device may have, for each
	// room; 4096 if 0.
	MaxMeta int
	// MaxRooms is how many rooms a device may be in; 100 if 0.
	MaxRooms int
	// MaxClients is how many members [Tracker.Broadcast] names; 100 if 0.
	MaxClients int

	// Timeout is how long the Store is waited for where there is no context: when a
	// socket connects, which asks once, and twice under OldestWins, when what is being told
	// of the user's devices that have gone has been told. A second if 0.
	Timeout time.Duration

	// Logger gets what goes wrong in the background. Nil means slog.Default().
	Logger *slog.Logger
}

// audit returns a copy with defaults, or all faults.
func (o *Options) audit() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("presence: "+format, args...))
		}
	}
	fault(c.Grace > maxGrace, "Grace: %v is more than %v", c.Grace, maxGrace)
	fault(c.MaxDevices < 0, "MaxDevices: %d is negative", c.MaxDevices)
	fault(c.Policy < NewestWins || c.Policy > OldestWins, "Policy: unknown value %d", c.Policy)
	fault(nilptr.Is(c.Store), "Store: a nil %T", c.Store)
	fault(c.Timeout < 0, "Timeout: %v is negative", c.Timeout)
	for _, limit := range []struct {
		name     string
		value    *int
		standard int
	}{
		{"MaxUser", &c.MaxUser, defaultMaxUser},
		{"MaxMeta", &c.MaxMeta, defaultMaxMeta},
		{"MaxRooms", &c.MaxRooms, defaultMaxRooms},
		{"MaxClients", &c.MaxClients, defaultMaxClients},
	} {
		fault(*limit.value < 0, "%s: %d is negative", limit.name, *limit.value)
		if *limit.value == 0 {
			*limit.value = limit.standard
		}
	}
	switch {
	case c.Grace == 0:
		c.Grace = defaultGrace
	case c.Grace < 0:
		c.Grace = 0
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(faults...)
}
