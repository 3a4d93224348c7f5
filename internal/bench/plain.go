package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/sessions"
	"github.com/zishang520/socket.io/v2/socket"
	"golang.org/x/time/rate"
)

// plain does by hand what the Node server does with its packages, using the libraries
// that a Go program would use for it: nothing that outlasts the handshake, no limit of
// connections, no presence, no care for what goes wrong. It is how fast the full stack
// could be at best.
type plain struct {
	log   *slog.Logger
	store *memoryStore

	mu   sync.Mutex
	seen map[string]*rate.Limiter // by address; never forgotten
}

type plainKey struct{}

func newPlain() (*plain, error) {
	sink, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return &plain{log: slog.New(slog.NewJSONHandler(sink, nil)), store: newMemoryStore(), seen: make(map[string]*rate.Limiter)}, nil
}

// handler runs on the handshake.
func (p *plain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.allow(r.RemoteAddr) {
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		s, err := p.store.Get(r, "sid")
		if err != nil {
			http.Error(w, "session", http.StatusInternalServerError)
			return
		}
		if err := p.store.Save(r, w, s); err != nil { // as saveUninitialized does for clients without a session
			http.Error(w, "session", http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), plainKey{}, s)))
	})
}

func (p *plain) allow(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	p.mu.Lock()
	l := p.seen[host]
	if l == nil {
		l = rate.NewLimiter(1e6, 1e6)
		p.seen[host] = l
	}
	p.mu.Unlock()
	return l.Allow()
}

func (p *plain) signIn(w http.ResponseWriter, r *http.Request) {
	s, err := p.store.Get(r, "sid")
	if err == nil {
		s.Values["user"] = r.URL.Query().Get("user")
		err = p.store.Save(r, w, s)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// join is the connection middleware.
func (p *plain) join(s *socket.Socket, next func(*socket.ExtendedError)) {
	began := time.Now()
	if !p.allow(s.Handshake().Address) {
		next(socket.NewExtendedError("rate_limited", nil))
		return
	}
	auth, _ := s.Handshake().Auth.(map[string]any)
	text, _ := auth["token"].(string)
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		p.log.Warn("socket refused", "code", "token_invalid", "err", err)
		next(socket.NewExtendedError("token_invalid", nil))
		return
	}
	s.SetData(claims.Subject)
	conn := slog.Group("conn", "id", s.Id(), "namespace", s.Nsp().Name(), "addr", s.Handshake().Address,
		"transport", s.Conn().Transport().Name(), "user", claims.Subject)
	p.log.Info("socket connected", conn, "user_agent", s.Request().Request().UserAgent(), "took", time.Since(began))
	_ = s.On("disconnect", func(args ...any) {
		p.log.Info("socket disconnected", conn, "reason", fmt.Sprint(args[0]), "duration", time.Since(began))
	})
	s.Join(socket.Room("user:" + claims.Subject))
	next(nil)
}

// known reports whether everything about s is known.
func (p *plain) known(s *socket.Socket) bool {
	user, _ := s.Data().(string)
	sess, _ := s.Request().Request().Context().Value(plainKey{}).(*sessions.Session)
	return user != "" && sess != nil && sess.Values["user"] != nil
}
