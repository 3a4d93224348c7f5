// Chat is the main example of sioware: one room, and every middleware in front
// of it that a Socket.IO server should have.
//
// Read chat.go first, then newHandler below; README.md says what to look at.
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

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "`address` to listen on")
	client := flag.String("client", "", "`path` to socket.io.min.js; default: the official CDN")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	slog.SetDefault(log)
	if err := run(ctx, log, os.Stdout, *addr, *client); err != nil {
		log.Error("chat", "error", err)
		os.Exit(1)
	}
}

// newHandler returns the page and, below /socket.io/, the chat.
func newHandler(log *slog.Logger, sio *socket.Server, client script) http.Handler {
	// What every site has, written without a thought of Socket.IO.
	site := []wrap.Middleware{requestID, accessLog(log), secureHeaders(client.policy())}

	pages := newPages(client)
	for _, mw := range slices.Backward(site) {
		pages = mw(pages)
	}

	// The same middlewares on the handshake, over long-polling and WebSocket.
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.Handle("/socket.io/", wrap.Handler(sio.ServeHandler(nil), append(site, wrap.Origin())...))
	return mux
}

// run serves until ctx is done, then lets everyone go in order.
func run(ctx context.Context, log *slog.Logger, out io.Writer, addr, clientFile string) error {
	client, err := newScript(clientFile)
	if err != nil {
		return err
	}

	opts := wrap.Harden(nil)
	opts.SetMaxHttpBufferSize(16 << 10) // a message is far smaller
	sio := socket.NewServer(nil, opts)
	newChat(sio, log)

	srv := &http.Server{
		Handler:           until(ctx)(newHandler(log, sio, client)),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	closed := make(chan struct{})
	srv.RegisterOnShutdown(func() {
		defer close(closed)
		sio.Close(nil)
	})

	l, err := net.Listen("tcp", addr)
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
