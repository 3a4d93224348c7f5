// Chat is the main example of sioware: a few rooms, for users who sign in and for guests,
// behind every middleware that a Socket.IO server should have.
//
// Read chat.go first, then newHandler below and accounts.go; README.md says what to look
// at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// config holds the values of the flags.
type config struct {
	addr  string
	token time.Duration // how long a token lives
	json  bool          // format of the log
	debug bool

	grace   time.Duration // how long people stay online whose connection has ended; 0 is not at all
	devices int           // connections that one person may have; 0 is any number

	metrics string // address of /metrics; "" is none
	redis   string // address or URL of the Redis that all nodes share; "" is none
	secret  string // with redis: all keys are derived from it; "" is one that is kept there

	limits limits // not a flag: usual, except in tests
}

// maxPacket is how many bytes the server reads at a time; a message is far smaller.
const maxPacket = 16 << 10

func main() {
	c := config{limits: usual(), secret: os.Getenv(envSecret)}
	flag.StringVar(&c.addr, "addr", "127.0.0.1:3000", "`address` to listen on")
	flag.DurationVar(&c.token, "token", time.Minute, "`lifetime` of an access token")
	flag.DurationVar(&c.grace, "grace", 5*time.Second, "`time` for which people stay online when their connection has ended")
	flag.IntVar(&c.devices, "devices", 3, "`number` of connections that one person may have; 0 is any")
	flag.StringVar(&c.redis, "redis", "", "`address` of a Redis, which makes this a node of a cluster")
	flag.StringVar(&c.metrics, "metrics", "", "`address` at which /metrics is served to whoever can reach it, such as 127.0.0.1:9100")
	flag.BoolVar(&c.json, "json", false, "write the log as JSON")
	flag.BoolVar(&c.debug, "debug", false, "log handshakes and events too")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	log := newLog(os.Stderr, c)
	slog.SetDefault(log)
	redis.SetLogger(redisLog{log})
	if err := run(ctx, log, os.Stdout, c); err != nil {
		log.Error("chat", "error", err)
		os.Exit(1)
	}
}

// newLog returns the log, for people or for machines. It is redacted, so no secret gets
// into it, whoever logs it.
func newLog(w io.Writer, c config) *slog.Logger {
	o := &slog.HandlerOptions{}
	if c.debug {
		o.Level = slog.LevelDebug
	}
	if c.json {
		return slog.New(logging.Redact(slog.NewJSONHandler(w, o)))
	}
	o.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			if a.Value.Kind() == slog.KindTime {
				a.Value = slog.StringValue(a.Value.Time().Format("15:04:05.000"))
			}
		case "user_agent", "origin", "referer", "socket", "protocol":
			return slog.Attr{} // anyone watching knows these
		}
		return a
	}
	return slog.New(logging.Redact(slog.NewTextHandler(w, o)))
}

// newHandler returns a handler for the page, the sign-in and, below /socket.io/, the
// chat.
func newHandler(sio *socket.Server, s *services) http.Handler {
	// What every site has, written without Socket.IO in mind.
	site := []wrap.Middleware{
		requestID,
		s.logs.Handler,
		secureHeaders(policy),
	}
	// And what must stand before everything that trusts a cookie. It comes before the
	// limits: a foreign page must not use up its visitor's allowance.
	guarded := slices.Concat(site, []wrap.Middleware{wrap.Origin()})

	mux := http.NewServeMux()
	mux.Handle("/", chain(newPages(s.names), site))
	mux.Handle("POST /login", chain(s.limiters.login.Handler(endpoint(s.accounts.signIn)), guarded))
	mux.Handle("POST /token", chain(s.limiters.token.Handler(endpoint(s.accounts.token)), guarded))
	mux.Handle("POST /logout", chain(endpoint(s.accounts.signOut), guarded))

	// The same middlewares on the handshake, over long-polling and WebSocket.
	engine := sio.ServeHandler(nil)
	s.logs.Engine(sio.Engine())
	mux.Handle("/socket.io/", wrap.Handler(engine, append(guarded, s.limiters.door.Handler, s.names.sessions.Handler)...))
	return mux
}

// chain wraps h in middlewares, the first one outermost.
func chain(h http.Handler, mws []wrap.Middleware) http.Handler {
	for _, mw := range slices.Backward(mws) {
		h = mw(h)
	}
	return h
}

// run serves until ctx is done, then shuts down gracefully.
func run(ctx context.Context, log *slog.Logger, out io.Writer, c config) error {
	services, err := newServices(c, log)
	if err != nil {
		return err
	}
	defer func() {
		if err := services.close(); err != nil {
			log.Warn("closing", "error", err)
		}
	}()

	opts := wrap.Harden(nil)
	opts.SetMaxHttpBufferSize(maxPacket)
	if services.stores.adapter != nil {
		opts.SetAdapter(services.stores.adapter) // before the server is made
	}
	sio := socket.NewServer(nil, opts)
	newChat(sio, services)

	srv := &http.Server{
		Handler:           until(ctx)(newHandler(sio, services)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	closed := make(chan struct{})
	srv.RegisterOnShutdown(func() {
		defer close(closed)
		sio.Close(nil)
	})

	if c.metrics != "" {
		stop, err := services.metrics.serve(c.metrics, log)
		if err != nil {
			return fmt.Errorf("-metrics: %w", err)
		}
		defer stop()
	}
	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if net.ParseIP(host).IsUnspecified() {
		host = "localhost" // any address will do
	}
	fmt.Fprintf(out, "Open http://%s in two tabs.\n", net.JoinHostPort(host, port))

	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	log.Info("shutting down")
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// First, or everyone being disconnected would be told who left before them.
	if err := services.handOver(grace); err != nil {
		log.Warn("closing", "error", err)
	}
	if err := srv.Shutdown(grace); err != nil {
		log.Warn("requests are cut off", "error", err)
		_ = srv.Close()
	}
	// Shutdown does not wait for WebSockets, which are no longer its own.
	select {
	case <-closed:
		return nil
	case <-grace.Done():
		return errors.New("connections are still open")
	}
}
