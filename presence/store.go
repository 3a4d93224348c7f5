package presence

import (
	"context"
	"encoding/json"
	"time"
)

// Store keeps who is where. [NewMemoryStore] returns one for a single process, package
// redisstore has one that many share. Package storetest tests a Store against what is said
// here. Its methods may be called concurrently; those that take a context return by the
// time it has ended, with its error or one that errors.Is finds to be [ErrUnavailable]. A
// Tracker treats a panic of a Store as no answer.
//
// What a Store counts are seats: a user has one in a room for each of his devices there.
// The room "" is everywhere: who has a seat in it is online. A member of a room is a user
// with a seat, or one whose last seat was given up less than his grace ago.
//
// A Store belongs to one process, a node. Of the nodes that share what they keep, each
// gives up its own seats alone; those of a node that has died, or that cannot reach the
// others for longer than its lease, are given up by one of the others.
type Store interface {
	// Join takes a seat, or changes Meta and Away of one that is taken. It returns
	//   - ErrFull if the user has e.Max devices in the room and e.Keep is set;
	//   - an *Eviction if the device has been evicted: it keeps no seat, here or in other
	//     rooms, and its node gives up those that it has;
	//   - ErrClosed after Close;
	//   - ErrUnavailable, or the error of ctx, if others may not have learned of it. The
	//     seat is held all the same, until Leave, and is taken when that can be done. What
	//     Join would have returned then is told as an Event: an Eviction with
	//     [CauseReplaced] where that is ErrFull.
	//
	// If the user has more than e.Max devices then, and e.Keep is not set, those that came
	// first are evicted.
	Join(ctx context.Context, e Entry) error

	// Leave gives seats up, for one cause. A user who has none left in the room stays a
	// member for the grace of his last entry there, unless now is set. A seat that is not
	// there is no error. If there is one, they are given up when that can be done.
	Leave(ctx context.Context, cause Cause, now bool, seats ...Seat) error

	// Evict takes the seats of a user's devices in the room "" away, except those of the
	// devices that are named, and tells the nodes that they belong to. It returns how
	// many. If none is left the user goes offline at once. So does one who is in his grace,
	// and was seen when that began.
	Evict(ctx context.Context, user string, cause Cause, reason string, except ...string) (int, error)

	// Get returns what is known of users in a room, in the order of users, in one round
	// trip. Of one who is no member Version is 0, and Seen may be set.
	Get(ctx context.Context, room string, users ...string) ([]Record, error)

	// List returns up to n members of a room, in an order that is the Store's own, from
	// where cursor says, which is "" at first, and the cursor for the next page, "" at the
	// end. A member who stays is returned once, however many others come and go.
	List(ctx context.Context, room, cursor string, n int) ([]Record, string, error)

	// Scan is List for all rooms, "" among them.
	Scan(ctx context.Context, cursor string, n int) ([]Record, string, error)

	// Count returns how many members a room has.
	Count(ctx context.Context, room string) (int, error)

	// Watch has f called with each Event that begins after Watch has returned, one after
	// the other, until stop is called. Changes of one user in one room come in order,
	// those of the user on one device too. f must not block, or call the Store.
	Watch(f func(Event)) (stop func())

	// Close gives all seats up with the cause [CauseDrained], so that their users stay
	// members for their grace, and ends what runs in the background.
	Close(ctx context.Context) error
}

// Seat is the place of a device in a room. One without a user, or in a room with a zero
// byte, is refused by Join; for all other methods it is one that is not there.
type Seat struct {
	Room string // without a zero byte; "" is everywhere
	User string // not empty
	// Device is the ID of the connection, which is never used again; up to 64 letters,
	// digits, "-" and "_".
	Device string
}

// Entry is what a device brings when it takes a seat.
type Entry struct {
	Seat
	Meta  json.RawMessage // compact; nil is none
	Away  bool
	Grace time.Duration // 0 is none
	Max   int           // devices that the user may have in the room; 0 is no limit
	Keep  bool          // where Max is reached: those that are there stay
}

// Record is what a Store knows of a user in a room.
type Record struct {
	Room, User string

	// Version grows with each change of the user in the room, also from one membership to
	// the next, and over a restart of the store. 0 means that the user is not a member.
	Version uint64

	// Devices are those with a seat, in the order in which they came. A member without
	// any is in his grace: Last is then the one that left last.
	Devices []Device
	Last    Device

	// Seen is when the last seat was given up that left none; the zero time if there
	// is one, or if it has been forgotten, and in rooms other than "" of who is no
	// member.
	Seen time.Time
}

// Device is a device of a user. What its Meta points to is shared with others, the Store
// among them: do not change it.
type Device struct {
	ID   string
	Meta json.RawMessage
	Away bool
	// Since is when it took its seat, by the clock of the store; changes of Meta and Away
	// leave it as it is.
	Since time.Time
}

// Event is what a Store tells: a Change, an Eviction, or that some events were lost.
type Event struct {
	Change   *Change
	Eviction *Eviction

	// Lost means that events may have been lost: what was known must be looked up
	// again. A member who is not found then may be one whose node has not told the
	// store again yet; one who is not found after this time either has gone.
	Lost time.Duration
}

// Eviction is the end of a device's seat in the room "", by Evict or by Entry.Max. It is
// told to all nodes, and again to the device's own node whenever the device would take a
// seat. Join returns it as an error.
type Eviction struct {
	User, Device string
	Cause        Cause // CauseKicked or CauseReplaced
	Reason       string
}

// Error implements the error interface.
func (e *Eviction) Error() string { return "presence: the device was evicted: " + string(e.Cause) }
