package presence

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sioware/sioware/internal/nilptr"
	"github.com/sioware/sioware/internal/unit"
	"github.com/zishang520/socket.io/v2/socket"
)

// Policy says which devices stay if a user has more than Options.MaxDevices.
type Policy int

// The policies.
const (
	// NewestWins: those that came first are kicked, with code replaced. This is the
	// default. A client that connects again anyway kicks the next one; to end
	// logins rather than connections, use jwtauth's NewestLogin.
	NewestWins Policy = iota
	// OldestWins: those that are there stay, and a new one is refused with code
	// too_many_connections. A device whose connection has broken counts until the
	// server notices, which takes the host's ping interval and timeout (45 seconds
	// by default): the user may be locked out for that long.
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

// Options configure a [Tracker]. The zero value, and nil, mean the defaults.
type Options struct {
	// Store keeps who is where. The caller closes it, after the Tracker. Nil means a
	// [MemoryStore], for a single process.
	Store Store

	// Grace is how long a user stays online, and a member of rooms, after the user's last
	// connection there has ended. 15 seconds if 0, none if negative; at most an hour.
	Grace time.Duration

	// MaxDevices is how many connections a user may have, on all nodes; 0 means no limit. A
	// connection that has broken silently counts until the server notices. What a change of a
	// user costs the Store grows with the user's devices, so there should be a limit if users
	// can open as many as they like.
	MaxDevices int
	// Policy says which of them stay.
	Policy Policy

	// Meta returns what others are to know about a device, which is marshaled to JSON, when
	// its first socket connects; it must not block. Nil means nothing. If it fails, or the
	// result is too large, the device has no metadata.
	Meta func(s *socket.Socket) any

	// Away reports whether the person at a device is away when its first socket connects,
	// as the page may have said in auth: then nobody sees a background tab that
	// reconnects. It must not block. Nil means that nobody is away; see [Tracker.Away].
	Away func(s *socket.Socket) bool

	// Visible reports whether viewer may see that a user is there, comes and goes: in what
	// [Tracker.Broadcast] sends and in [Tracker.MembersFor]. Counts include users that may
	// not be seen. It must not block. Nil means that everybody may see everybody; if it
	// panics, the user is hidden.
	Visible func(viewer *socket.Socket, user string) bool

	// MaxUser is how many bytes the ID of a user may have; 256 if 0. A socket whose
	// user has a longer ID is refused.
	MaxUser int
	// MaxMeta is how many bytes of JSON the metadata of a device may have, for each
	// room; 4096 if 0.
	MaxMeta int
	// MaxRooms is how many rooms a device may be in; 100 if 0.
	MaxRooms int
	// MaxClients is how many members [Tracker.Broadcast] names; 100 if 0.
	MaxClients int

	// Timeout is how long to wait for the Store where there is no context: when a socket
	// connects, which asks once, and twice under OldestWins, after the Store has been told
	// which of the user's devices have gone. A second if 0.
	Timeout time.Duration

	// Logger gets what goes wrong in the background. Nil means slog.Default().
	Logger *slog.Logger
}

// audit returns a copy of o with its defaults set, and all its faults.
func (o *Options) audit() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("presence: "+format, args...))
	}
	if c.Grace > maxGrace {
		fault("Grace: %v is more than %v", c.Grace, maxGrace)
	}
	if c.MaxDevices < 0 {
		fault("MaxDevices: %d is negative", c.MaxDevices)
	}
	if c.Policy < NewestWins || c.Policy > OldestWins {
		fault("Policy: unknown value %d", c.Policy)
	}
	if nilptr.Is(c.Store) {
		fault("Store: a nil %T", c.Store)
	}
	if c.Timeout < 0 {
		fault("Timeout: %v is negative", c.Timeout)
	}
	for _, err := range []error{unit.Check("Grace", c.Grace), unit.Check("Timeout", c.Timeout)} {
		if err != nil {
			fault("%w", err)
		}
	}
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
		if *limit.value < 0 {
			fault("%s: %d is negative", limit.name, *limit.value)
		}
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
