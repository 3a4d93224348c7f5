// Chat is the main example of sioware: one room, for users who sign in and for
// guests, and every middleware in front of it that a Socket.IO server should have.
//
// Read chat.go first, then newHandler below and accounts.go; README.md says what
// to look at.
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

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// config is what the flags say.
type config struct {
	addr  string
	token time.Duration // how long a token lives
}

func main() {
	var c config
	flag.StringVar(&c.addr, "addr", "127.0.0.1:3000", "`address` to listen on")
	flag.DurationVar(&c.token, "token", time.Minute, "`lifetime` of an access token")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	slog.SetDefault(log)
	if err := run(ctx, log, os.Stdout, c); err != nil {
		log.Error("chat", "error", err)
		os.Exit(1)
	}
}

// newHandler returns the page, the sign-in and, below /socket.io/, the chat.
func newHandler(log *slog.Logger, sio *socket.Server, accounts *accounts) http.Handler {
	// What every site has, written without a thought of Socket.IO.
	site := []wrap.Middleware{
		requestID,
		accessLog(log),
		secureHeaders(policy),
	}
	// And what stands before all that trusts a cookie.
	guarded := slices.Concat(site, []wrap.Middleware{wrap.Origin()})

	mux := http.NewServeMux()
	mux.Handle("/", chain(newPages(), site))
	mux.Handle("POST /login", chain(endpoint(accounts.signIn), guarded))
	mux.Handle("POST /token", chain(endpoint(accounts.token), guarded))
	mux.Handle("POST /logout", chain(endpoint(accounts.signOut), guarded))

	// The same middlewares on the handshake, over long-polling and WebSocket.
	mux.Handle("/socket.io/", wrap.Handler(sio.ServeHandler(nil), guarded...))
	return mux
}

// chain puts middlewares in front of h, the first one outermost.
func chain(h http.Handler, mws []wrap.Middleware) http.Handler {
	for _, mw := range slices.Backward(mws) {
		h = mw(h)
	}
	return h
}

// run serves until ctx is done, then lets everyone go in order.
func run(ctx context.Context, log *slog.Logger, out io.Writer, c config) error {
	accounts, err := newAccounts(c.token, log)
	if err != nil {
		return err
	}
	// After the server: sockets that expire meanwhile are still told.
	defer accounts.auth.Close(context.Background())

	opts := wrap.Harden(nil)
	opts.SetMaxHttpBufferSize(16 << 10) // a message is far smaller
	sio := socket.NewServer(nil, opts)
	newChat(sio, accounts.auth, log)

	srv := &http.Server{
		Handler:           until(ctx)(newHandler(log, sio, accounts)),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	closed := make(chan struct{})
	srv.RegisterOnShutdown(func() {
		defer close(closed)
		sio.Close(nil)
	})

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
