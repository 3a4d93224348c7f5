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
// A Store counts seats: a user has one in a room for each device that is there. The room
// "" stands for everywhere: a user with a seat in it is online. A member of a room is a
// user who has a seat there, or whose last one was given up less than its Grace ago.
//
// A Store belongs to one process, a node. Of the nodes that share a store, each gives up
// only its own seats; those of a node that has died, or that cannot reach the others for
// longer than its lease, are given up by one of the others.
type Store interface {
	// Join takes a seat, or changes Meta and Away of one that is taken. It returns
	//   - ErrFull if the user has e.Max devices in the room and e.Keep is set;
	//   - an *Eviction if the device has been evicted: it keeps no seat, here or in other
	//     rooms, and its node gives up those that it has;
	//   - ErrClosed after Close;
	//   - ErrUnavailable, or the error of ctx, if other nodes may not know of the seat. It
	//     is held all the same, until Leave, and is taken as soon as possible. What Join
	//     would have returned then is sent as an Event: an Eviction with [CauseReplaced]
	//     in place of ErrFull.
	//
	// If the user then has more than e.Max devices, and e.Keep is not set, the devices
	// that came first are evicted.
	Join(ctx context.Context, e Entry) error

	// Leave gives up seats, for one cause. A user who has none left in the room stays a
	// member for the Grace of the last Entry there, unless now is set. It is no error if a
	// seat does not exist. After an error the seats are given up as soon as possible.
	Leave(ctx context.Context, cause Cause, now bool, seats ...Seat) error

	// Evict takes away the seats of a user's devices in the room "", except the devices
	// that are named, and notifies the nodes that they belong to. It returns how many. If
	// no seat is left, the user goes offline at once. So does a user in grace, who was seen
	// when that began.
	Evict(ctx context.Context, user string, cause Cause, reason string, except ...string) (int, error)

	// Get returns what is known of users in a room, in the order of users, in one round
	// trip. For a user who is not a member Version is 0, and Seen may be set.
	Get(ctx context.Context, room string, users ...string) ([]Record, error)

	// List returns up to n members of a room, in an order of the Store's own, starting at
	// cursor, which is "" at first, and the cursor for the next page, "" at the end. A
	// member who stays is returned once, however many others come and go.
	List(ctx context.Context, room, cursor string, n int) ([]Record, string, error)

	// Scan is List for all rooms, including "".
	Scan(ctx context.Context, cursor string, n int) ([]Record, string, error)

	// Count returns how many members a room has.
	Count(ctx context.Context, room string) (int, error)

	// Watch has f called with each Event that begins after Watch has returned, one after
	// the other, until stop is called. Changes of one user in one room come in order, and
	// so do those of one device of a user. f must not block, or call the Store.
	Watch(f func(Event)) (stop func())

	// Close gives up all seats with the cause [CauseDrained], so that their users stay
	// members for their grace, and ends what runs in the background.
	Close(ctx context.Context) error
}

// Seat is the place of a device in a room. A seat without a user, or in a room whose name
// has a zero byte, is refused by Join; for all other methods it does not exist.
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
	// the next, and across a restart of the store. 0 means that the user is not a member.
	Version uint64

	// Devices are those with a seat, in the order in which they came. A member without
	// any is in grace: Last is then the device that left last.
	Devices []Device
	Last    Device

	// Seen is when the user's last seat was given up; the zero time if the user has a
	// seat, if that has been forgotten, and, in rooms other than "", if the user is not
	// a member.
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

// Event is what a Store reports: a Change, an Eviction, or that events were lost.
type Event struct {
	Change   *Change
	Eviction *Eviction

	// Lost means that events may have been lost: what was known must be looked up
	// again. The node of a member who is not found then may not have told the store again
	// yet; a member who is still not found after this time has gone.
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
