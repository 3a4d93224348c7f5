package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// secret signs tokens and cookies, here and in server.mjs.
const secret = "a secret of 32 bytes, for a bench"

// Limits that never refuse, but must be counted all the same.
var (
	manyAttempts   = ratelimit.PerSecond(1_000_000)
	manyEvents     = ratelimit.PerSecond(100_000_000)
	manyConcurrent = 1_000_000
)

// counters count what a server has done.
type counters struct {
	connected, known, events, live atomic.Int64
}

// newStack returns the server described by v, and counts what it does.
func newStack(v variant, n *counters) (http.Handler, error) {
	if !v.wrap {
		io := socket.NewServer(nil, nil)
		application(io, n, func(*socket.Socket) bool { return true })
		return io.ServeHandler(nil), nil
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	var (
		mws   []wrap.Middleware
		sms   []socket.NamespaceMiddleware
		known []func(*socket.Socket) bool
		logs  *logging.Logger
		login = http.Handler(http.NotFoundHandler())
	)
	user := claimed
	if v.has("logging") {
		// A file like that of the Node server: each record is a system call.
		sink, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		if logs, err = logging.New(slog.New(slog.NewJSONHandler(sink, nil)), nil); err != nil {
			return nil, err
		}
		mws, sms = append(mws, logs.Handler), append(sms, logs.Middleware())
		known = append(known, func(s *socket.Socket) bool { _, ok := logs.From(s); return ok })
	}
	if v.has("ratelimit") {
		o := &ratelimit.Options{Concurrent: manyConcurrent}
		if v.has("events") {
			o.Events = manyEvents
		}
		limit, err := ratelimit.New(manyAttempts, o)
		if err != nil {
			return nil, err
		}
		mws, sms = append(mws, limit.Handler), append(sms, limit.Middleware())
		known = append(known, func(s *socket.Socket) bool { _, ok := limit.From(s); return ok })
	}
	if v.has("session") {
		sess, err := session.New(newMemoryStore(), "sid", nil)
		if err != nil {
			return nil, err
		}
		mws, sms = append(mws, sess.Handler), append(sms, sess.Middleware())
		login = sess.Handler(signIn(sess))
		known = append(known, func(s *socket.Socket) bool {
			mine, ok := sess.From(s)
			if !ok {
				return false
			}
			_, ok = mine.Get("user")
			return ok
		})
	}
	if v.has("jwtauth") {
		auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC([]byte(secret)), nil)
		if err != nil {
			return nil, err
		}
		sms, user = append(sms, auth.Middleware()), auth.Subject
		known = append(known, func(s *socket.Socket) bool { _, ok := auth.From(s); return ok })
	}
	if v.has("presence") {
		online, err := presence.New(user, nil)
		if err != nil {
			return nil, err
		}
		sms = append(sms, online.Middleware())
		known = append(known, func(s *socket.Socket) bool { _, ok := online.From(s); return ok })
	}
	if v.has("plain") {
		p, err := newPlain()
		if err != nil {
			return nil, err
		}
		mws, sms, known = append(mws, p.handler), append(sms, p.join), append(known, p.known)
		login = http.HandlerFunc(p.signIn)
	}
	if v.has("func") {
		sms = append(sms, wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
	}
	wrap.UseAll(io, sms...)
	application(io, n, func(s *socket.Socket) bool {
		for _, f := range known {
			if !f(s) {
				return false
			}
		}
		return true
	})
	h := io.ServeHandler(nil)
	if logs != nil {
		logs.Engine(io.Engine())
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", wrap.Handler(h, mws...))
	mux.Handle("POST /login", login)
	return mux, nil
}

// claimed returns who a socket claims to be, for a server without jwtauth.
func claimed(s *socket.Socket) (string, bool) {
	auth, _ := s.Handshake().Auth.(map[string]any)
	user, ok := auth["user"].(string)
	return user, ok
}

// application is what all servers do with their sockets.
func application(io *socket.Server, n *counters, known func(*socket.Socket) bool) {
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		var gone sync.Once // the bare host may emit it twice
		_ = s.On("disconnect", func(...any) { gone.Do(func() { n.live.Add(-1) }) })
		_ = s.On("echo", func(args ...any) {
			n.events.Add(1)
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack(args[:len(args)-1], nil)
			}
		})
		// Last: a socket that is counted has its listeners.
		if known(s) {
			n.known.Add(1)
		}
		n.connected.Add(1)
		n.live.Add(1)
	})
}

// signIn gives its client a session with a user in it.
func signIn(sess *session.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := sess.Renew(r.Context(), w, r, func(values map[any]any) error {
			values["user"] = r.URL.Query().Get("user")
			return nil
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
