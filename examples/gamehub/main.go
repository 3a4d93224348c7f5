// Gamehub is an example of package presence: a hub for games for two, as the server of a
// WeChat mini program. Players are identified by openid, whatever their current
// connection: they may lose it and come back, and nobody notices that they were away.
//
// Read hub.go first, then players.go; README.md says what happens when.
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
	"syscall"
	"time"

	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// config holds the values of the flags.
type config struct {
	addr  string
	token time.Duration // how long a token lives
	grace time.Duration // how long a seat is kept for a player who has lost the connection
	beat  time.Duration // how often clients are asked whether anybody is there
}

// maxPacket is how many bytes the server reads at a time; an event is far smaller.
const maxPacket = 16 << 10

func main() {
	var c config
	flag.StringVar(&c.addr, "addr", "127.0.0.1:3000", "`address` to listen on")
	flag.DurationVar(&c.token, "token", 2*time.Hour, "`lifetime` of a token")
	flag.DurationVar(&c.grace, "grace", 15*time.Second, "`time` that a seat is kept for who has lost his connection")
	flag.DurationVar(&c.beat, "beat", 5*time.Second, "`time` between two heart-beats")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	log := slog.New(logging.Redact(slog.NewTextHandler(os.Stderr, nil))) // no token gets into it
	slog.SetDefault(log)
	if err := run(ctx, log, os.Stdout, c); err != nil {
		log.Error("gamehub", "error", err)
		os.Exit(1)
	}
}

// options returns the options of the host.
func options() *socket.ServerOptions {
	o := wrap.Harden(nil)
	o.SetAllowEIO3(true) // socket.io-client 2, of which weapp.socket.io is made
	o.SetMaxHttpBufferSize(maxPacket)
	return o
}

// run serves until ctx is done, then shuts down gracefully.
func run(ctx context.Context, log *slog.Logger, out io.Writer, c config) error {
	sio := socket.NewServer(nil, options())
	hub, err := newHub(sio, c, log)
	if err != nil {
		return err
	}
	defer hub.close()

	srv := &http.Server{
		Handler:           hub.handler(sio),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
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
	fmt.Fprintf(out, "The hub is at http://%s\n", l.Addr())

	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	log.Info("shutting down")
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// Before the sockets are closed; otherwise everybody's opponent would seem to leave.
	// With a shared store, players find another process within their grace period.
	if err := hub.online.Close(last); err != nil {
		log.Warn("presence", "error", err)
	}
	if err := srv.Shutdown(last); err != nil {
		log.Warn("requests are cut off", "error", err)
		_ = srv.Close()
	}
	select { // Shutdown does not wait for WebSockets
	case <-closed:
		return nil
	case <-last.Done():
		return errors.New("connections are still open")
	}
}
