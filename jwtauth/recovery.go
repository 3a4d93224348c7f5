package jwtauth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"sync"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

var (
	errSkipped   = errors.New("jwtauth: a recovered socket has skipped its middlewares: set SkipMiddlewares(false)")
	errRecovered = errors.New("the state that is to be recovered was that of another user")
)

// follow watches the sockets that nsp connects, once.
func (a *Auth[C]) follow(nsp socket.Namespace) {
	once, _ := a.namespaces.LoadOrStore(nsp.EventEmitter(), new(sync.Once))
	once.Do(func() {
		_ = nsp.On("connect", func(args ...any) {
			if s, ok := args[0].(*socket.Socket); ok {
				a.connected(s)
			}
		})
	})
}

// connected runs before the "connection" handlers of s.
func (a *Auth[C]) connected(s *socket.Socket) {
	switch n := a.sessions.Load(s); {
	case s.Nsp().Server().Opts().ConnectionStateRecovery() == nil:
	case n != nil:
		// Rooms come back with the state, and with them whose it was.
		s.Join(owner(n.identity.Load()))
	case s.Recovered():
		// What guards its events is missing as well.
		a.opts.Logger.Error(errSkipped.Error(), slog.String("namespace", s.Nsp().Name()))
		wrap.Kick(s, &wrap.Error{Err: errSkipped})
	}
}

// owner is the room that a user's sockets are in where state is recovered. Its
// name tells nobody who that is.
func owner[C any](id *Identity[C]) socket.Room {
	if id == nil {
		return "sioware:owner:guest"
	}
	hash := sha256.Sum256([]byte(id.Issuer + "\x00" + id.Subject))
	return socket.Room("sioware:owner:" + base64.RawURLEncoding.EncodeToString(hash[:16]))
}
