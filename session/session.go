package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/alarm"
	"github.com/sioware/sioware/internal/nilptr"
	"github.com/sioware/sioware/internal/origin"
	"github.com/sioware/sioware/internal/recovery"
	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// workers is how many sessions are checked in the background at a time.
const workers = 64

var (
	errClosed    = errors.New("closed")
	errRecovered = errors.New("the state to be recovered belongs to another session")
)

// Manager attaches the sessions of a gorilla/sessions store to sockets. Create one
// with [New], for all namespaces; it is safe for concurrent use.
type Manager struct {
	store   sessions.Store
	name    string
	opts    Options
	origins *origin.Policy

	direct  bool          // the store does no I/O, and so cannot hang
	calls   chan struct{} // a place for each call of the store
	locks   locks
	clock   *alarm.Clock
	tickets tickets
	options atomic.Pointer[sessions.Options] // that the store gives to sessions
	members sidecar.Map[socket.Socket, member]
	visits  sidecar.Map[socket.Client, visit] // for handshakes that Handler has not seen
	servers sidecar.Map[socket.Server, sync.Once]
	busy    busy
	closed  atomic.Bool
	faults  atomic.Int64 // failed checks since the last log entry about them
	warned  atomic.Int64 // when that entry was made

	mu       sync.Mutex
	live     index         // Sessions that have sockets
	written  recent[write] // sessions that were saved lately
	erasures int           // how many are under way
	// The sessions that have ended lately, which nothing may bring back, and until
	// when their clients are told to come back with a new cookie.
	ended recent[time.Time]

	cluster []*socket.Server
}

// member is what a Manager keeps for a socket. It must not refer to the socket.
type member struct{ session *Session }

// New returns a Manager for the sessions in store whose cookie is called name. The
// error joins all faults. Close the Manager when the server has ended.
func New(store sessions.Store, name string, opts *Options) (*Manager, error) {
	o, origins, err := opts.audit()
	if store == nil || nilptr.Is(store) {
		err = errors.Join(err, errors.New("session: no store"))
	} else {
		err = errors.Join(err, auditKeys(store, name))
	}
	if (&http.Cookie{Name: name, Value: "x"}).Valid() != nil {
		err = errors.Join(err, errors.New("session: the name is not a valid cookie name"))
	}
	if err != nil {
		return nil, err
	}
	m := &Manager{
		store: store, name: name, opts: o, origins: origins,
		calls: make(chan struct{}, maxCalls), clock: alarm.New(workers),
		ended:   recent[time.Time]{life: time.Minute, max: 1 << 15},
		written: recent[write]{life: 15 * time.Second, max: 1 << 14},
	}
	_, m.direct = store.(*sessions.CookieStore)
	if o.Server != nil {
		m.follow(o.Server)
	}
	return m, nil
}

// auditKeys returns why a store whose keys can be tried cannot sign cookies with them.
// Otherwise the first client would find out, and every client would get code internal.
func auditKeys(store sessions.Store, name string) error {
	var codecs []securecookie.Codec
	switch s := store.(type) {
	case *sessions.CookieStore:
		codecs = s.Codecs
	case *sessions.FilesystemStore:
		codecs = s.Codecs
	default:
		return nil
	}
	if len(codecs) == 0 {
		return errors.New("session: the store has no keys")
	}
	var faults []error
	for i, codec := range codecs {
		if _, err := codec.Encode(name, ""); err != nil {
			faults = append(faults, fmt.Errorf("session: key pair %d of the store: %w", i+1, err))
		}
	}
	return errors.Join(faults...)
}

// Close ends what runs in the background: sessions are not checked any more, and new
// sockets are refused with code unavailable. It waits for what is under way until ctx ends,
// and then returns its error; but no longer than twice Options.Timeout for a call of the
// store that hangs. The store is left to its owner, who may close it then; if it stays
// open, the remaining sockets can go on with their sessions. Close may be called again.
func (m *Manager) Close(ctx context.Context) error {
	m.closed.Store(true)
	if err := m.clock.Close(ctx); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, 2*m.opts.Timeout)
	defer cancel()
	if m.busy.wait(within) != nil {
		return ctx.Err()
	}
	return nil
}

// Middleware returns the connection middleware that attaches its session to each
// socket, for io.Use, nsp.Use or wrap.UseAll: the one that [Manager.Handler] found for
// the handshake, or without Handler the one that the handshake's cookie leads to.
// Options.Missing says what happens to a socket that has none. See the package
// documentation for what clients are told.
//
// State recovery must run middlewares: set SkipMiddlewares(false), as wrap.Harden
// does, or every socket is refused with code internal. Then a recovered socket is
// refused with code forbidden if its state was that of another session, whose rooms it
// would get.
func (m *Manager) Middleware() socket.NamespaceMiddleware { return wrap.Func(m.join) }

// join admits s, or logs why it does not.
func (m *Manager) join(ctx context.Context, s *socket.Socket) error {
	err := m.connect(ctx, s)
	if err != nil {
		m.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "session: refused", slog.String("namespace", s.Nsp().Name()), slog.Any("error", err))
	}
	return err
}

// connect attaches its session to s.
func (m *Manager) connect(ctx context.Context, s *socket.Socket) error {
	switch {
	case m.closed.Load():
		return refusal(ErrUnavailable, errClosed)
	case m.members.Load(s) != nil:
		return nil // Middleware is used twice
	}
	if err := recovery.Check(s); err != nil {
		return err
	}
	m.follow(s.Nsp().Server())
	session, place, err := m.find(ctx, s)
	if err == nil && session == nil && recovery.Owned(s, m.kind()) {
		err = refusal(ErrForbidden, errRecovered)
	}
	if err != nil || session == nil {
		return err
	}
	context.AfterFunc(wrap.Context(s), func() { m.detach(session, place) })
	if recovery.Foreign(s, session.room) {
		return refusal(ErrForbidden, errRecovered)
	}
	m.members.Store(s, &member{session})
	wrap.Watch(s, wrap.Hooks{
		// A middleware must not join rooms: a refused socket would stay in them.
		Connected: func() { rooms.Join(wrap.Context(s), s, session.room) },
		Active:    &session.active,
	})
	return nil
}

// find returns the session of the connection that s belongs to, and the seat of s in it,
// or nil if it has none and may do without.
func (m *Manager) find(ctx context.Context, s *socket.Socket) (*Session, *seat, error) {
	v, ok := wrap.Context(s).Value(visitKey{m}).(*visit)
	if !ok {
		v = m.visits.Load(s.Client()) // of an earlier namespace
	}
	r := s.Request().Request() // the host's, only read and not kept: wrap.Request makes a copy
	if v == nil || !v.checked {
		if err := m.origins.Check(r); err != nil {
			return nil, nil, refusal(ErrOrigin, err)
		}
	}
	if v == nil {
		v = &visit{host: r.Host, checked: true, cookie: m.cookieOf(r)}
	}
	if v.cookie == "" {
		return nil, nil, m.missing(nil)
	}
	if session, place, err := m.attach(s, v, m.fresh(v)); session != nil || err != nil {
		return session, place, err // the handshake was just now, or the session has sockets already
	}
	st, err := m.load(ctx, &work{m: m}, v.host, v.cookie)
	switch {
	case isGone(err):
		return nil, nil, m.missing(err)
	case err != nil:
		return nil, nil, err
	}
	if v.key == "" {
		v.key = st.key
		v, _ = m.visits.LoadOrStore(s.Client(), v)
	}
	return m.attach(s, v, st)
}

// missing says what happens to a socket without a session; ended is set if the
// socket came with the cookie of one that has ended.
func (m *Manager) missing(ended error) error {
	switch {
	case renewed(ended):
		return ended
	case m.opts.Missing == Admit:
		return nil
	case ended != nil:
		return ended
	}
	return refusal(ErrMissing, nil)
}

// From returns the session of s, and false if it has none. Sockets of one session on
// this node share it. It takes no lock and allocates nothing.
func (m *Manager) From(s *socket.Socket) (*Session, bool) {
	if n := m.members.Load(s); n != nil {
		return n.session, true
	}
	return nil, false
}

// keyOf returns the name of the session with this ID, here and among nodes. It is a
// hash: the ID is a secret.
func (m *Manager) keyOf(id string) string {
	return string(recovery.Room(m.kind(), id))
}

// kind is part of the names of the rooms of m's sessions.
func (m *Manager) kind() string { return "session:" + m.name }

// cookieOf returns the value of our cookie in r. Of several, the first counts, as
// it does for gorilla's stores.
func (m *Manager) cookieOf(r *http.Request) string {
	if c, err := r.Cookie(m.name); err == nil {
		return c.Value
	}
	return ""
}

// newID returns an unguessable ID.
func newID() string { return rand.Text() }
