package jwtauth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

var (
	errSkips     = errors.New("jwtauth: state recovery skips middlewares, so that anybody could come back as anybody: set SkipMiddlewares(false), as wrap.Harden does")
	errRecovered = errors.New("the state that is to be recovered was that of another user")
)

// recoverable refuses s where the host would restore a socket without asking us
// (socket/namespace.go:270): not only that socket, which we do not see, but all,
// so that it is noticed before there is any to restore.
func recoverable(s *socket.Socket) error {
	if r := s.Nsp().Server().Opts().ConnectionStateRecovery(); r != nil && r.SkipMiddlewares() {
		return &wrap.Error{Err: errSkips}
	}
	return nil
}

// follow marks whose sockets nsp connects, if their state can be recovered: rooms
// come back with it. A middleware must not join any, a refused socket would stay
// there.
func (a *Auth[C]) follow(nsp socket.Namespace) {
	if nsp.Server().Opts().ConnectionStateRecovery() == nil {
		return
	}
	once, _ := a.namespaces.LoadOrStore(nsp.EventEmitter(), new(sync.Once))
	once.Do(func() {
		_ = nsp.On("connect", func(args ...any) {
			if s, ok := args[0].(*socket.Socket); ok {
				if n := a.sessions.Load(s); n != nil {
					s.Join(owner(n.identity.Load()))
				}
			}
		})
	})
}

// owner is the room of the sockets that may recover each other's state. Its name
// tells nobody whose it is.
func owner[C any](id *Identity[C]) socket.Room {
	if id == nil {
		return "sioware:owner:guest"
	}
	who := id.Issuer + "\x00" + id.Subject
	if id.Subject == "" {
		who = "\x00" + id.ID
	}
	hash := sha256.Sum256([]byte(who))
	return socket.Room("sioware:owner:" + base64.RawURLEncoding.EncodeToString(hash[:16]))
}
