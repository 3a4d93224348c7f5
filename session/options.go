package session

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sioware/sioware/internal/origin"
	"github.com/sioware/sioware/internal/unit"
	"github.com/zishang520/socket.io/v2/socket"
)

// Missing says what happens to a client that has no session.
type Missing int

// What happens to a client that has no session.
const (
	// Create gives it a new one on the handshake, which requires [Manager.Handler]:
	// [Manager.Middleware] alone cannot set a cookie, and refuses the socket. A client
	// whose session has ended gets a new one at once, as after [Manager.Destroy], but no
	// earlier than 5 seconds after [Manager.Renew]; until then it is refused with code
	// session_expired. This is the default.
	Create Missing = iota
	// Refuse refuses it with code session_missing, or session_expired if it came
	// with the cookie of a session that has ended.
	Refuse
	// Admit lets it in without a session: [Manager.From] returns false for it.
	Admit
)

// Limits and defaults of [Options].
const (
	defaultCheck   = 30 * time.Second
	minCheck       = 100 * time.Millisecond
	defaultTimeout = 5 * time.Second
)

// Options configure a [Manager]. The zero value, and nil, are safe.
type Options struct {
	// Missing says what happens to a client that has no session.
	Missing Missing

	// Origins are those whose pages may connect, besides those of the same host;
	// see wrap.Origin for their form. A cookie goes with a request whichever page
	// makes it, so a page of somebody else could use the session of its visitor.
	Origins []string

	// Check is how often the store is asked whether a session with sockets still
	// exists, and what it holds: once for all of its sockets on this node, give or
	// take a tenth. 30 seconds if 0; at least 100 ms. Each check reads the store once:
	// 100,000 sessions make 3,300 reads a second, of which 64 are under way at a time.
	// If the store is slower than that, checks are less frequent.
	Check time.Duration

	// NoTouch leaves the life of a session to HTTP handlers. Otherwise it is prolonged,
	// by saving it unchanged, when a client connects and while it sends events, but at
	// most once in each quarter of the MaxAge that the store gives to sessions. Sessions
	// that are kept in cookies alone are never prolonged.
	NoTouch bool

	// Timeout is how long one call of the store may take. 5 seconds if 0.
	Timeout time.Duration

	// Unknown reports whether an error of the store means that it has no such session. It
	// is for stores with errors of their own, such as sql.ErrNoRows: those of gorilla's
	// stores and of redistore are known. Nil means that no other error does.
	Unknown func(err error) bool

	// Server is the server whose other nodes are notified of a session that has ended.
	// It need not be set: a Manager knows the servers whose sockets it has seen. It is
	// for a node that may have to log somebody out before it has had any sockets.
	Server *socket.Server

	// Logger gets what goes wrong in the background, at level Warn, panics of the store, at
	// level Error, and why sockets were refused, at level Debug. Nil means slog.Default().
	Logger *slog.Logger
}

// audit returns a copy of o with its defaults set, and all its faults.
func (o *Options) audit() (Options, *origin.Policy, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("session: "+format, args...))
	}
	if c.Missing < Create || c.Missing > Admit {
		fault("Missing: unknown value %d", c.Missing)
	}
	if c.Check < 0 || c.Check > 0 && c.Check < minCheck {
		fault("Check: %v is less than %v", c.Check, minCheck)
	}
	if c.Timeout < 0 {
		fault("Timeout: %v is negative", c.Timeout)
	}
	if err := unit.Check("Timeout", c.Timeout); err != nil {
		fault("%w", err)
	}
	origins, err := origin.New(c.Origins)
	if err != nil {
		fault("Origins: %w", err)
	}
	if c.Check == 0 {
		c.Check = defaultCheck
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, origins, errors.Join(faults...)
}
