package main

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/ratelimit"
	"github.com/zishang520/socket.io/v2/socket"
)

// stores hold what does not belong to a single connection. Nothing else knows whether
// that is in memory or, with -redis, shared with other nodes.
type stores struct {
	secret   []byte // all keys are derived from it
	revoked  jwtauth.Store
	limits   ratelimit.Store // nil: each limiter has one of its own
	online   presence.Store
	sessions sessions.Store
	adapter  socket.AdapterConstructor // nil: the host's own

	ends []func(context.Context) error // run in this order, after the server has closed
}

// newStores returns stores, which the caller must close.
func newStores(c config, log *slog.Logger) (*stores, error) {
	if c.redis != "" {
		return newShared(c, log)
	}
	s := &stores{secret: make([]byte, 32), revoked: jwtauth.NewMemoryStore(), online: presence.NewMemoryStore()}
	_, _ = rand.Read(s.secret) // never fails
	dir, err := os.MkdirTemp("", "chat-sessions-")
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	s.ends = append(s.ends, func(context.Context) error { return os.RemoveAll(dir) })
	files := sessions.NewFilesystemStore(dir, s.key("session"))
	private(files.Options)
	s.sessions = files
	return s, nil
}

// private keeps the cookie of a session from scripts and from other sites.
func private(o *sessions.Options) {
	o.HttpOnly, o.SameSite = true, http.SameSiteStrictMode
}

// key returns the key for one purpose, which is useless for any other.
func (s *stores) key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.secret, nil, "chat "+purpose, 32)
	if err != nil {
		panic(err) // only for keys that are far longer
	}
	return key
}

// close discards everything that is not in Redis.
func (s *stores) close() error {
	var errs []error
	for _, end := range s.ends {
		errs = append(errs, end(context.Background()))
	}
	return errors.Join(errs...)
}
