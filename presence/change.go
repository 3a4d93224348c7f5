package presence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sioware/sioware/wrap"
)

// Kind is what a [Change] is about.
type Kind int

// Kinds of changes.
const (
	Online  Kind = iota + 1 // a user has come: from none to the first device
	Offline                 // a user has gone: the last device left Options.Grace ago
	Joined                  // a user is in a room
	Left                    // a user is not in a room any more
	Updated                 // a device has come, gone, or changed; the user stays
	Missed                  // the function of [Tracker.Watch] was too slow: ask again
)

// String returns the name of the constant in lower case, as the texts of a [Cause] are.
func (k Kind) String() string {
	switch k {
	case Online:
		return "online"
	case Offline:
		return "offline"
	case Joined:
		return "joined"
	case Left:
		return "left"
	case Updated:
		return "updated"
	case Missed:
		return "missed"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Cause is why something has changed.
type Cause string

// Causes of changes.
const (
	CauseJoined   Cause = "joined"    // a device has come
	CauseUpdated  Cause = "updated"   // a device has changed Meta or Away
	CauseLeft     Cause = "left"      // the client has disconnected, or left the room
	CauseLost     Cause = "lost"      // the connection was closed, by whatever means
	CauseTimeout  Cause = "timeout"   // the client has not answered the server's pings
	CauseKicked   Cause = "kicked"    // [Tracker.Kick], or another disconnection by the server
	CauseReplaced Cause = "replaced"  // by another device, since there is a limit
	CauseNodeLost Cause = "node_lost" // its node has died
	CauseDrained  Cause = "drained"   // its node has shut down
	CauseUnknown  Cause = "unknown"   // it happened while nobody looked
)

// Change is a change of one user in one room, or everywhere.
//
// Changes of one user in one room, or everywhere, come in order: the Version grows, and
// Online and Offline alternate, as do Joined and Left, with Updated in between. That the
// last device has left is reported when the grace has passed, not before. If a device
// comes back in time, with the Meta and Away of the last one, nothing is reported.
type Change struct {
	Kind    Kind
	Room    string // "" is everywhere
	User    string
	Version uint64
	Cause   Cause
	At      time.Time // by the clock of the store

	// Device is the one that has come or gone, with what it brought; its ID is empty in
	// Offline and Left.
	Device Device
	// Devices is how many the user now has there, and Away whether the user is away on all
	// of them.
	Devices int
	Away    bool
	// Seen is when the last device left, in Offline and Left.
	Seen time.Time
}

// causes maps the host's reasons to causes.
var causes = map[string]Cause{
	"client namespace disconnect": CauseLeft,
	"server namespace disconnect": CauseKicked,
	"forced server close":         CauseKicked,
	"ping timeout":                CauseTimeout,
	"server shutting down":        CauseDrained,
}

// causeOf returns why a socket has gone.
func causeOf(life context.Context) Cause {
	var d wrap.Disconnected
	if errors.As(context.Cause(life), &d) {
		if c, ok := causes[d.Reason]; ok {
			return c
		}
	}
	return CauseLost
}
