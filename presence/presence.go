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
	"github.com/sioware/sioware/internal/recovery"
	"github.com/sioware/sioware/internal/refusal"
	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// kind is part of the names of the rooms of users.
const kind = "presence"

// kindLeft is part of the names of the rooms that sockets are in, in place of those of
// kind, once their users have left everywhere.
const kindLeft = "presence-left"

// workers is how many kicks and broadcasts are under way at a time.
const workers = 4

var (
	errNoUser    = errors.New("presence: New needs a function that returns the user of a socket")
	errRecovered = errors.New("presence: state recovery of another user's socket")
)

// Tracker knows who is online. Create one with [New]; it is safe for concurrent use.
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
	unsure  time.Time            // until then, those who join may have been there before

	departures departures
	audience   audience
	order      order
	storeDown  atomic.Bool   // the Store did not answer the last Join
	panics     atomic.Uint64 // of Options.Visible
}

// New returns a Tracker. user returns the ID of a socket's user, and false if it has none:
// such a socket is let in and does not count. Return false for it rather than an empty ID,
// which is refused with code forbidden. user is called for each socket in the middleware,
// and must not block; if it panics the socket is refused with code internal. For the
// first 64 sockets without a user it is called again when they are connected: if there is
// one now, the middleware is too early in the chain, which is logged once, at level Warn.
// New waits for the Store's Watch: that of presence/redisstore takes up to its Timeout if
// Redis is away, which is no fault. The error joins all faults.
func New(user func(*socket.Socket) (string, bool), opts *Options) (*Tracker, error) {
	o, err := opts.audit()
	if user == nil {
		err = errors.Join(errNoUser, err)
	}
	if err != nil {
		return nil, err
	}
	t := &Tracker{
		user: user, opts: o, store: &guardedStore{Store: o.Store, logger: o.Logger},
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
// or wrap.UseAll, behind what finds out who they are. A socket counts from the moment
// when the host has connected it, before its "connection" handlers run, and never if
// something refuses it. Sockets of one connection and one user are one device.
//
// If the Store does not answer within Options.Timeout, sockets are let in all the same:
// others learn of them when it does.
//
// State recovery must run middlewares: set SkipMiddlewares(false), as wrap.Harden does, or
// every socket is refused with code internal. Then a recovered socket is refused with code
// forbidden if its state was another user's, whose messages it would get. The host's rooms
// are recovered, but memberships are not: call [Tracker.Join] for a recovered socket too.
func (t *Tracker) Middleware() socket.NamespaceMiddleware { return wrap.Func(t.admit) }

// Identity is who a socket belongs to.
type Identity struct {
	User string
	// Device is the ID of its connection, which cannot be guessed.
	Device string
}

// From returns who s belongs to, and false if it has no user, or has not passed
// [Tracker.Middleware]. It takes no lock and allocates nothing.
func (t *Tracker) From(s *socket.Socket) (Identity, bool) {
	if id := t.identities.Load(s); id != nil && id.User != "" {
		return *id, true
	}
	return Identity{}, false
}

// Room returns the room that all sockets of a user are in, on all nodes, for sending
// something to all of the user's devices. Its name does not reveal whose it is.
//
//	io.To(online.Room("alice")).Emit("message", text)
//
// During the grace nobody is in it. Other nodes are reached through the server's adapter:
// those of socket.io-go-redis silently drop the message while Redis is away, even for the
// sockets of this node; where Status says Stale, use io.Local().To.
func (t *Tracker) Room(user string) socket.Room { return recovery.Room(kind, user) }

// admit admits s, with or without a user.
func (t *Tracker) admit(ctx context.Context, s *socket.Socket) error {
	if t.identities.Load(s) != nil {
		return nil // Middleware is used twice
	}
	if t.isClosed() {
		return whenClosed()
	}
	if err := recovery.Check(s); err != nil {
		return err
	}
	user, ok := t.user(s)
	if !ok {
		if recovery.Owned(s, kind) || recovery.Owned(s, kindLeft) {
			return refusal.New("forbidden", errRecovered, nil)
		}
		t.identities.Store(s, new(Identity))
		t.order.doubt(t, s)
		return nil
	}
	if user == "" || len(user) > t.opts.MaxUser || !utf8.ValidString(user) {
		return refusal.New("forbidden", ErrUser, nil)
	}
	home := t.Room(user)
	if recovery.Foreign(s, home) && recovery.Foreign(s, recovery.Room(kindLeft, user)) {
		return refusal.New("forbidden", errRecovered, nil)
	}
	d := t.reserve(place{s.Client(), user})
	if d == nil {
		return whenClosed() // meanwhile
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
			t.retire(s, user)
			return
		}
		rooms.Join(life, s, home)
		t.connected(d, s)
	}})
	return nil
}

// mayJoin refuses a device for which there is no room under OldestWins. Whether there is
// room is decided when the device takes its seat; but if it can be known before, the
// device should be told before it is let in.
func (t *Tracker) mayJoin(ctx context.Context, d *device) error {
	if t.opts.MaxDevices == 0 || t.opts.Policy != OldestWins || d.seated() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.opts.Timeout)
	defer cancel()
	t.departures.await(ctx, d.user) // or the old connection of a client that reconnects would count
	records, err := t.store.Get(ctx, "", d.user)
	if err != nil || len(records) != 1 {
		return nil // if the Store is away, let it in
	}
	there := records[0].Devices
	if len(there) >= t.opts.MaxDevices && !slices.ContainsFunc(there, func(o Device) bool { return o.ID == d.id }) {
		return refusal.New("too_many_connections", ErrFull, nil)
	}
	return nil
}

// whenClosed returns a refusal without a cause: the log need not hear of a server that ends.
func whenClosed() error { return &wrap.Error{Code: "unavailable"} }

// heard gets the events of the Store.
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
// grace, so nobody notices a rolling restart if their clients find another node in time.
// Nobody is notified of anything any more, new sockets are refused with code
// unavailable, and those that are there do not count. Close waits for the Store, for
// what runs in the background and for calls of functions given to [Tracker.Watch], which
// must not call it; but no longer than ctx, whose error it then returns. Call it before
// the server closes its sockets. It may be called again.
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

// note records whether the Store was reached, and logs when that changes.
func (t *Tracker) note(err error) {
	switch {
	case errors.Is(err, ErrUnavailable) && !t.storeDown.Swap(true):
		t.warn("the Store does not answer: other nodes learn later who has come", err)
	case err == nil && t.storeDown.Load() && t.storeDown.Swap(false):
		t.opts.Logger.Info("presence: the Store answers again")
	}
}

// background returns the context of a call that nobody waits for.
func (t *Tracker) background() *deadline.Context {
	return deadline.After(context.Background(), t.opts.Timeout)
}
