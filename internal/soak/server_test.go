//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

const (
	// secret signs the tokens, on both sides.
	secret = "0123456789abcdef0123456789abcdef"
	// onPurpose is in each panic caused by the tests.
	onPurpose = "on purpose"

	pingInterval   = 3 * time.Second
	pingTimeout    = 15 * time.Second
	connectTimeout = 15 * time.Second
	upgradeTimeout = 3 * time.Second
	grace          = 500 * time.Millisecond
	maxLifetime    = 90 * time.Second // of a token
	sessionLife    = 10               // seconds
	maxSockets     = 12               // of one address
	maxDevices     = 4
	maxBody        = 100_000
)

// server is the stack that README.md recommends.
type server struct {
	io       *socket.Server
	log      *journal
	registry *prometheus.Registry
	logs     *logging.Logger
	door     *ratelimit.Limiter // by address, before anybody is known
	talk     *ratelimit.Limiter // by user
	sess     *session.Manager
	store    *memorySessions
	auth     *jwtauth.Auth[jwtauth.Claims]
	tokens   *jwtauth.MemoryStore
	online   *presence.Tracker
	told     told

	namespaces namespaces
}

// serve runs the process of the server.
func serve(report func(url string)) {
	runtime.MemProfileRate = 64 << 10
	s, err := newServer()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	front := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 3 * time.Second,
		ReadTimeout:       5 * time.Second, // otherwise half a body is awaited as long as its connection lasts
		IdleTimeout:       3 * time.Second,
	}
	go func() { fmt.Fprintln(os.Stderr, front.Serve(l)) }()
	report("http://" + l.Addr().String())
}

func newServer() (*server, error) {
	s := &server{log: newJournal(), registry: prometheus.NewRegistry(), store: newMemorySessions(), tokens: jwtauth.NewMemoryStore()}
	logger := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	slog.SetDefault(logger)

	metrics, err1 := prommetrics.New(s.registry, &prommetrics.Options{
		Events: []string{"echo", "join"}, Namespaces: []string{"/admin"},
	})
	var err2, err3, err4, err5, err6, err7 error
	s.auth, err2 = jwtauth.New(jwtauth.HMAC([]byte(secret)), &jwtauth.Options[jwtauth.Claims]{
		MaxLifetime: maxLifetime, Warning: time.Second, Logins: jwtauth.NewestLogin, Store: s.tokens, Logger: logger,
	})
	s.logs, err3 = logging.New(logger, &logging.Options{
		Observer: metrics, Events: &logging.Sample{First: 2, Every: 50}, User: s.auth.Subject,
	})
	s.door, err4 = ratelimit.New(ratelimit.PerSecond(40).Burst(80), &ratelimit.Options{Concurrent: maxSockets, Logger: logger})
	s.talk, err5 = ratelimit.New(ratelimit.Unlimited(), &ratelimit.Options{
		Key:     ratelimit.ByUser(s.auth.Subject),
		Events:  ratelimit.PerSecond(100).Burst(200),
		Bytes:   ratelimit.PerSecond(128 << 10).Burst(512 << 10),
		Penalty: ratelimit.Penalty{After: ratelimit.PerSecond(2).Burst(40), Ban: 500 * time.Millisecond, MaxBan: 2 * time.Second},
		Emit:    true,
		Logger:  logger,
	})
	s.sess, err6 = session.New(s.store, "soak-session", &session.Options{Check: 500 * time.Millisecond, Logger: logger})
	s.online, err7 = presence.New(s.auth.Subject, &presence.Options{
		Grace: grace, MaxDevices: maxDevices, Logger: logger,
		Meta: func(c *socket.Socket) any { return map[string]any{"nsp": c.Nsp().Name()} },
	})
	return s, errors.Join(err1, err2, err3, err4, err5, err6, err7)
}

// handler starts the host.
func (s *server) handler() http.Handler {
	o := socket.DefaultServerOptions()
	o.SetPingInterval(pingInterval)
	o.SetPingTimeout(pingTimeout)
	o.SetConnectTimeout(connectTimeout)
	o.SetUpgradeTimeout(upgradeTimeout)
	o.SetMaxHttpBufferSize(maxBody)
	o.SetAllowEIO3(true)
	o.SetAdapter(hesitant{})
	s.io = socket.NewServer(nil, wrap.Harden(o))
	s.namespaces.watch(s.io)
	s.online.Watch(s.told.hear)
	s.online.Broadcast("online")

	wrap.UseAll(s.io,
		s.logs.Middleware(),
		wrap.Require(),
		s.door.Middleware(),
		s.sess.Middleware(),
		s.auth.Middleware(),
		s.talk.Middleware(),
		wrap.Named("moody", wrap.Func(moody)),
		s.online.Middleware(),
		wrap.Packet(func(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
			if e.Name == "boom" {
				panic(onPurpose)
			}
			return nil
		}),
	)
	s.io.Of("/admin", nil).Use(s.auth.Require(func(c jwtauth.Claims) error {
		if c.Subject != "root" {
			return errors.New("not root")
		}
		return nil
	}))
	for _, nsp := range []socket.Namespace{s.io.Sockets(), s.io.Of("/admin", nil), s.io.Of(regexp.MustCompile(`^/table-[0-4]$`), nil)} {
		_ = nsp.On("connection", func(args ...any) { s.greet(args[0].(*socket.Socket)) })
	}

	engine := s.io.ServeHandler(nil)
	s.logs.Engine(s.io.Engine())
	chain := []wrap.Middleware{s.logs.Handler, wrap.Origin(), s.door.Handler, s.sess.Handler}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", wrap.Handler(engine, chain...))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.sess.Destroy(r.Context(), w, r); err != nil {
			http.Error(w, "no session", http.StatusUnauthorized)
		}
	})
	s.control(mux)
	return mux
}

// moody does what the client asks for: it panics, refuses, or is slow.
func moody(ctx context.Context, c *socket.Socket) error {
	auth, _ := c.Handshake().Auth.(map[string]any)
	switch auth["mood"] {
	case "panic":
		panic(onPurpose)
	case "refuse":
		return &wrap.Error{Code: "forbidden", Message: "Not in the mood"}
	case "slow":
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
