package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sioware/sioware/internal/alarm"
	"github.com/sioware/sioware/internal/deadline"
	"github.com/sioware/sioware/internal/panics"
	"github.com/sioware/sioware/internal/recovery"
	"github.com/sioware/sioware/internal/refusal"
	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// kind is what the rooms of users have in their names.
const kind = "presence"

// workers is how many kicks and broadcasts are under way at a time.
const workers = 4

var (
	errNoUser    = errors.New("presence: New needs a function that returns the user of a socket")
	errRecovered = errors.New("presence: state recovery of another user's socket")
)

// Tracker knows who is online. Make one with [New]; it is safe for concurrent use.
type Tracker struct {
	user  func(*socket.Socket) (string, bool)
	opts  Options
	store Store
	own   bool // the Store is ours to close

	identities sidecar.Map[socket.Socket, Identity]
	clock      *alarm.Clock
	unwatch    func()

	mu      sync.Mutex
	closed  bool
	devices map[string]*device   // by their IDs
	places  map[place]*device    // the same
	users   map[string][]*device // the same, in the order in which they came
	rooms   map[string]*room     // those with sockets of this process
	events  []string             // of Broadcast
	unsure  time.Time            // until then who joins may have been there before

	departures departures
	audience   audience
	away       atomic.Bool   // the Store has not answered when it was told last
	panics     atomic.Uint64 // of Options.Visible
}

// New returns a Tracker. user returns the ID of a socket's user, and false if it has none:
// such a socket is let in and counts for nobody. Return false for it, not an empty ID, which
// is refused with code forbidden. It is called once for each socket, in the
// middleware, and must not block; one that panics refuses the socket with code internal.
// New waits for the Store's Watch: that of presence/redisstore takes up to its Timeout if
// Redis is away, which is no fault. An error names all faults.
func New(user func(*socket.Socket) (string, bool), opts *Options) (*Tracker, error) {
	o, err := opts.audit()
	if user == nil {
		err = errors.Join(errNoUser, err)
	}
	if err != nil {
		return nil, err
	}
	t := &Tracker{
		user: user, opts: o, store: &calm{Store: o.Store, logger: o.Logger},
		clock:   alarm.New(workers),
		devices: make(map[string]*device),
		places:  make(map[place]*device),
		users:   make(map[string][]*device),
		rooms:   make(map[string]*room),
	}
	if o.Store == nil {
		t.store, t.own = NewMemoryStore(), true
	}
	t.departures.init(t.store, o.Timeout)
	t.audience.init(t.store, o.Logger)
	t.unwatch = t.store.Watch(t.heard)
	return t, nil
}

// Middleware returns the connection middleware that counts sockets, for io.Use, nsp.Use
// or wrap.UseAll, behind what finds out who they are. A socket counts from the moment in
// which the host has connected it, before its "connection" handlers run, and never if
// something refuses it. Sockets of one connection and one user are one device.
//
// If the Store does not answer by Options.Timeout, sockets are let in all the same: others
// learn of them when it does.
//
// State recovery must run middlewares: set SkipMiddlewares(false), as wrap.Harden does,
// or every socket is refused with code internal. A recovered socket is refused with code
// forbidden if its state was that of another user, whose messages it would get. Its rooms
// come back with it, its places in them do not: call [Tracker.Join] for it too.
func (t *Tracker) Middleware() socket.NamespaceMiddleware { return wrap.Func(t.admit) }

// Identity is who a socket belongs to.
type Identity struct {
	User string
	// Device is the ID of its connection, which nobody can guess.
	Device string
}

// From returns who s belongs to, and false if it has no user, or no middleware of t has
// seen it. It takes no lock and allocates nothing.
func (t *Tracker) From(s *socket.Socket) (Identity, bool) {
	if id := t.identities.Load(s); id != nil && id.User != "" {
		return *id, true
	}
	return Identity{}, false
}

// Room is the room that all sockets of a user are in, on all nodes: to send something to
// all of his devices. Its name does not tell whose it is.
//
//	io.To(online.Room("alice")).Emit("message", text)
//
// In his grace nobody is there. Other nodes are reached by the server's adapter: those of
// socket.io-go-redis drop the message without a word while Redis is away, for the sockets of
// this node too; where Status says Stale, use io.Local().To.
func (t *Tracker) Room(user string) socket.Room { return recovery.Room(kind, user) }

func (t *Tracker) admit(ctx context.Context, s *socket.Socket) error {
	if t.identities.Load(s) != nil {
		return nil // used twice
	}
	if t.isClosed() {
		return errClosed()
	}
	if err := recovery.Check(s); err != nil {
		return err
	}
	user, ok := t.user(s)
	if !ok {
		if recovery.Owned(s, kind) {
			return refusal.New("forbidden", errRecovered, nil)
		}
		t.identities.Store(s, new(Identity))
		return nil
	}
	if user == "" || len(user) > t.opts.MaxUser || !utf8.ValidString(user) {
		return refusal.New("forbidden", ErrUser, nil)
	}
	home := t.Room(user)
	if recovery.Foreign(s, home) {
		return refusal.New("forbidden", errRecovered, nil)
	}
	d := t.reserve(place{s.Client(), user})
	if d == nil {
		return errClosed() // meanwhile
	}
	life := wrap.Context(s)
	context.AfterFunc(life, func() { t.leave(d, s, causeOf(life)) })
	if e := d.getEvicted(); e != nil {
		return e.refusal()
	}
	if err := t.mayJoin(ctx, d); err != nil {
		return err
	}
	t.identities.Store(s, &Identity{user, d.id})
	wrap.Watch(s, wrap.Hooks{Connected: func() {
		if d.hasQuit() {
			return
		}
		rooms.Join(life, s, home)
		t.connected(d, s)
	}})
	return nil
}

// mayJoin refuses a device that finds no room under OldestWins. Whether there is room is
// decided when it takes its seat; but it should not be told so after it was let in, if
// that can be known before.
func (t *Tracker) mayJoin(ctx context.Context, d *device) error {
	if t.opts.MaxDevices == 0 || t.opts.Policy != OldestWins || d.seated() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.opts.Timeout)
	defer cancel()
	t.departures.await(ctx, d.user) // or who comes back on his connection is in his own way
	records, err := t.store.Get(ctx, "", d.user)
	if err != nil || len(records) != 1 {
		return nil // if the Store is away they are let in
	}
	there := records[0].Devices
	if len(there) >= t.opts.MaxDevices && !slices.ContainsFunc(there, func(o Device) bool { return o.ID == d.id }) {
		return refusal.New("too_many_connections", ErrFull, nil)
	}
	return nil
}

// errClosed has no cause: that the server ends is no news for its log.
func errClosed() error { return &wrap.Error{Code: "unavailable"} }

// heard gets what the Store tells.
func (t *Tracker) heard(e Event) {
	switch {
	case e.Eviction != nil:
		t.evicted(*e.Eviction)
	case e.Change != nil:
		t.audience.heard(*e.Change)
		t.stir(e.Change)
	default:
		t.audience.lost(e.Lost)
		t.stirAll(e.Lost)
	}
}

func (t *Tracker) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Close hands over: all users of this process stay online, and in their rooms, for their
// grace, so that a rolling restart is seen by nobody if their clients find another node
// in time. Nobody is told anything any more, new sockets are refused with code
// unavailable, and those that are there do not count. It waits for the Store, for what
// runs in the background and for functions given to [Tracker.Watch] that are under way,
// which must not call it; but no longer than ctx, whose error it returns then. Call it
// before the server closes its sockets. It may be called again.
func (t *Tracker) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	devices := slices.Collect(maps.Values(t.devices))
	clear(t.rooms)
	t.mu.Unlock()
	t.unwatch()
	for _, d := range devices {
		t.part(d, CauseDrained)
	}
	errs := []error{t.departures.close(ctx), t.clock.Close(ctx), t.audience.close(ctx)}
	if t.own {
		errs = append(errs, t.store.Close(ctx))
	}
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("presence: %w", err)
		}
	}
	return nil
}

// warn logs what went wrong in the background.
func (t *Tracker) warn(what string, err error) {
	t.opts.Logger.LogAttrs(context.Background(), slog.LevelWarn, "presence: "+what, slog.Any("error", err))
}

// panicked logs that something of the application has panicked, and where.
func (t *Tracker) panicked(what string, v any, more ...any) {
	t.opts.Logger.Error("presence: "+what+" panicked", append(more, panics.Attr(v))...)
}

// note takes note of whether the Store has been told, and logs when that changes.
func (t *Tracker) note(err error) {
	switch {
	case errors.Is(err, ErrUnavailable) && !t.away.Swap(true):
		t.warn("the Store does not answer: others learn later of who has come", err)
	case err == nil && t.away.Load() && t.away.Swap(false):
		t.opts.Logger.Info("presence: the Store answers again")
	}
}

// background is the context of a call that nobody waits for.
func (t *Tracker) background() *deadline.Context {
	return deadline.After(context.Background(), t.opts.Timeout)
}
