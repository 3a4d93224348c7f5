package jwtauth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/internal/alarm"
	"github.com/sioware/sioware/internal/mark"
	"github.com/sioware/sioware/internal/nilptr"
	"github.com/sioware/sioware/internal/origin"
	"github.com/sioware/sioware/internal/recovery"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/sioware/sioware/jwtauth/internal/jws"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

var errClosed = errors.New("closed")

// workers is how many sockets an alarm clock serves at a time.
const workers = 16

// Auth authenticates sockets by tokens whose claims are decoded into C, a struct or
// a map. C's fields match claims by their exact names, so a field Role for the
// claim "role" needs the tag json:"role": a token with a claim that encoding/json
// would match only by ignoring case is refused. Create one with [New], for all
// namespaces; it is safe for concurrent use.
type Auth[C any] struct {
	keys    Keys
	opts    Options[C]
	origins *origin.Policy
	shape   *jws.Shape

	members       sidecar.Map[socket.Socket, member[C]]
	index         index[C]
	clock         *alarm.Clock // disconnects and warns; nothing on it waits for anything else
	chores        *alarm.Clock // asks the store and calls the application
	unwatch       func()
	closed        atomic.Bool
	logged        atomic.Int64 // when an outage was last logged, since started
	hasMiddleware atomic.Bool  // Middleware has been called
	warnUnguarded sync.Once    // logs that it has not
}

// New returns an Auth for tokens that are signed with one of keys. The error joins all
// faults of keys and opts. New waits for the Store's Watch: that of jwtauth/redisstore
// takes up to its Timeout if Redis is away, which is no fault. Close the Auth when the
// server has ended.
func New[C any](keys Keys, opts *Options[C]) (*Auth[C], error) {
	o, origins, err := opts.audit()
	if keys == nil || nilptr.Is(keys) {
		err = errors.Join(err, errors.New("jwtauth: no keys"))
	} else {
		err = errors.Join(keys.Check(), err)
	}
	shape := jws.ShapeOf(reflect.TypeFor[C]())
	err = errors.Join(err, jws.CheckType(reflect.TypeFor[C]()), shape.Check())
	if f, ok := keys.(*fixed); ok && f.fault == nil {
		err = errors.Join(err, f.allow(o.Algorithms))
	}
	if err != nil {
		return nil, err
	}
	a := &Auth[C]{
		keys: keys, opts: o, origins: origins,
		shape: shape, clock: alarm.New(workers), chores: alarm.New(workers),
	}
	a.index.init()
	a.unwatch = o.Store.Watch(a.changed)
	return a, nil
}

// Close ends what runs in the background: sockets are notified of nothing any more, and new
// ones are refused with code unavailable. It waits for disconnects, calls of
// Options.Changed and calls of the Store that are under way, until ctx ends, and then
// returns its error; called from one of these it waits for itself. It may be called again,
// and waits again. The Store is left to its owner.
func (a *Auth[C]) Close(ctx context.Context) error {
	if !a.closed.Swap(true) {
		a.unwatch()
	}
	return errors.Join(a.clock.Close(ctx), a.chores.Close(ctx))
}

// Middleware returns the connection middleware that admits sockets with a valid
// token, for io.Use, nsp.Use or wrap.UseAll. See the package documentation for
// what refused clients are told. It also answers "auth:refresh".
//
// State recovery must run middlewares: set SkipMiddlewares(false), as wrap.Harden does,
// or every socket is refused with code internal. Then a recovered socket is verified
// like any other, and refused with code forbidden if its state was another user's,
// whose rooms it would get: a page that changes its user needs a new client object.
//
// Why a client was refused goes to Options.Logger, at level Debug.
func (a *Auth[C]) Middleware() socket.NamespaceMiddleware {
	a.hasMiddleware.Store(true)
	return wrap.Func(a.join)
}

// join admits s, or logs why it does not.
func (a *Auth[C]) join(ctx context.Context, s *socket.Socket) error {
	err := a.connect(ctx, s)
	if err == nil {
		return nil
	}
	a.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "jwtauth: refused", slog.String("namespace", s.Nsp().Name()), slog.Any("error", err))
	return a.hushed(ctx, err)
}

// connect authenticates s.
func (a *Auth[C]) connect(ctx context.Context, s *socket.Socket) error {
	switch {
	case a.closed.Load():
		return refusal(ErrUnavailable, errClosed)
	case a.members.Load(s) != nil:
		return nil // Middleware is used twice: the token is gone, and was good
	}
	if err := recovery.Check(s); err != nil {
		return err
	}
	r := wrap.Request(s)
	c, err := a.seek(ctx, s.Handshake().Auth, r)
	scrubSocket(a.opts.Sources, s, r)
	var id *Identity[C]
	switch {
	case err != nil:
		return err
	case c != nil:
		if id, err = a.identify(ctx, c); err != nil {
			return err
		}
	case !a.opts.Guests:
		return refusal(ErrMissing, nil)
	}
	if recovery.Foreign(s, owner(id)) {
		return refusal(ErrForbidden, errRecovered)
	}

	m := newMember(a, s, id)
	if id != nil {
		// The index comes first, then the store: one of the two sees a revocation.
		a.index.add(m, id)
		context.AfterFunc(wrap.Context(s), m.end)
		if err := a.admit(ctx, id, ""); err != nil {
			m.end() // not with the context, later: Revoke counts who is in the index
			return err
		}
		m.start()
		if a.closed.Load() {
			return refusal(ErrUnavailable, errClosed) // Close may have discarded what start did
		}
	}
	a.members.Store(s, m)
	recovery.Follow(s, func() socket.Room { return owner(m.identity.Load()) })
	wrap.UsePacket(s, func(_ context.Context, s *socket.Socket, e *wrap.Event) error {
		if e.Name == "auth:refresh" {
			m.answer(s, e.Args, e.Ack)
			return wrap.ErrHandled // no handler of the application should see a token
		}
		return nil
	})
	return nil
}

// Handler returns next behind the same authentication, as plain net/http middleware. Through
// wrap it refuses a client before there is a connection, and keeps the token out of the
// request that the host keeps; [Auth.Middleware] is still needed, and asks Options.Verify
// and the Store again. Sources that HTTP does not have are left to Middleware: with an
// AuthField, a handshake without a token passes. On a route of your own such a request is
// refused, and [Auth.FromContext] returns who makes it. A visitor who follows a link from
// another site, and whose [Cookie] comes along, is answered 403 origin_denied where browsers
// send Sec-Fetch-Site: keep pages that others link to out of Handler.
//
// A refused request is answered as *wrap.Error does it, with the client data as JSON and
// the status of its code (401, 403, 429, 500, 503), and with WWW-Authenticate if it is
// about the token (RFC 6750, section 3). Without a token, only Options.Guests lets a
// request pass, except as said above. next gets a request without the token, so a second
// Auth that looks in the same place finds none.
func (a *Auth[C]) Handler(next http.Handler) http.Handler {
	late := false // a token may still come with CONNECT
	for _, s := range a.opts.Sources {
		late = late || s.kind == authField
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		var c *checked
		var id *Identity[C]
		err := safely(func() (err error) {
			if c, err = a.seek(ctx, nil, r); err == nil && c != nil {
				id, err = a.confirm(ctx, c)
			}
			return err
		})
		if err == nil && c == nil {
			if a.opts.Guests || late && mark.Connecting(r.Context()) {
				if !a.opts.Guests && !a.hasMiddleware.Load() {
					a.warnUnguarded.Do(func() {
						a.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "jwtauth: Handler without Middleware: nobody asks for the tokens that come with CONNECT")
					})
				}
				next.ServeHTTP(w, r)
				return
			}
			err = refusal(ErrMissing, nil)
		}
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		if p := a.protocol(r); p != "" {
			w.Header().Set("Sec-WebSocket-Protocol", p)
		}
		kept := *c                            // c may belong to a Handler in front, and be shared with others behind it
		kept.payload = bytes.Clone(c.payload) // c.payload shares memory with the token; the clone lives as long as the connection
		values := context.WithValue(r.Context(), contextKey[C]{a}, &kept)
		values = context.WithValue(values, identityKey[C]{a}, id)
		clean := r.Clone(values)
		scrubRequest(a.opts.Sources, clean)
		next.ServeHTTP(w, clean)
	})
}

// protocol returns the subprotocol that answers an offer with a token in it.
func (a *Auth[C]) protocol(r *http.Request) (answer string) {
	if !slices.Contains(a.opts.Sources, Subprotocol()) {
		return ""
	}
	token := false
	for _, p := range protocols(r) {
		if strings.HasPrefix(p, protocolPrefix) {
			token = true
		} else if answer == "" {
			answer = p
		}
	}
	if !token {
		return ""
	}
	return answer
}

// refuse answers a request.
func (a *Auth[C]) refuse(w http.ResponseWriter, r *http.Request, err error) {
	a.opts.Logger.LogAttrs(r.Context(), slog.LevelDebug, "jwtauth: refused", slog.Any("error", err))
	e, hushed := asError(err), asError(a.hushed(r.Context(), err))
	if _, ok := r.Context().Value(mark.ListenerKey{}).(mark.Listener); !ok { // a Listener logs cause and stack
		e = hushed
		a.panicked(r.Context(), err)
	}
	switch e.Code { // those with status 401
	case codes[ErrMissing]:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case codes[ErrInvalid], codes[ErrExpired], codes[ErrRevoked], codes[ErrReplaced]:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	e.ServeHTTP(w, r)
}

// From returns the claims of s, and false for a guest and for a socket that has not
// passed [Auth.Middleware]. It takes no lock and allocates nothing. It does not
// look at the clock: sockets that expire at the same moment are spread over half a
// second and handled 16 at a time. [Auth.Events] is exact.
func (a *Auth[C]) From(s *socket.Socket) (claims C, ok bool) {
	if id := a.identity(s); id != nil {
		return id.Claims, true
	}
	return claims, false
}

// Subject returns the user that s belongs to, for a presence tracker. It returns
// false also for a token without a subject.
func (a *Auth[C]) Subject(s *socket.Socket) (string, bool) {
	if id := a.identity(s); id != nil && id.Subject != "" {
		return id.Subject, true
	}
	return "", false
}

// Identity returns who s belongs to now; a refresh replaces it. Do not change
// what it points to.
func (a *Auth[C]) Identity(s *socket.Socket) (*Identity[C], bool) {
	id := a.identity(s)
	return id, id != nil
}

func (a *Auth[C]) identity(s *socket.Socket) *Identity[C] {
	if m := a.members.Load(s); m != nil {
		return m.identity.Load()
	}
	return nil
}

// identityKey is the context key of the identity that Handler found.
type identityKey[C any] struct{ auth *Auth[C] }

// FromContext returns the identity that [Auth.Handler] found for a request. On a
// socket use [Auth.Identity]: the identity of the handshake may have been refreshed.
func (a *Auth[C]) FromContext(ctx context.Context) (*Identity[C], bool) {
	id, ok := ctx.Value(identityKey[C]{a}).(*Identity[C])
	return id, ok
}
