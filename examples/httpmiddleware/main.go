// Httpmiddleware is an example of package wrap: the middlewares that a team has for its
// HTTP server, for headers, CORS, sessions, limits, request ids and traces, used
// unchanged in front of Socket.IO, in one line each.
//
// Read chain.go; README.md says what to see.
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
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// config holds the values of the flags.
type config struct {
	addr   string
	origin string        // of foreign pages that may connect, besides our own
	limit  int           // handshakes per address within the window
	window time.Duration //
}

func main() {
	var c config
	flag.StringVar(&c.addr, "addr", "127.0.0.1:3000", "`address` to listen on")
	flag.StringVar(&c.origin, "origin", "http://localhost:5173", "`origin` of the pages elsewhere that may connect")
	flag.IntVar(&c.limit, "limit", 10, "`number` of handshakes that an address may open within the window")
	flag.DurationVar(&c.window, "window", time.Minute, "the `time` that the limit is for")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	if err := run(ctx, os.Stdout, c); err != nil {
		slog.Error("httpmiddleware", "error", err)
		os.Exit(1)
	}
}

// check returns what is wrong with the flags. The middlewares would panic or, worse, take
// an empty value for "everything": rs/cors without an origin allows all.
func (c config) check() error {
	var errs []error
	u, err := url.Parse(c.origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || c.origin != u.Scheme+"://"+u.Host {
		errs = append(errs, fmt.Errorf("origin %q is not like https://app.example", c.origin))
	}
	if c.limit <= 0 {
		errs = append(errs, fmt.Errorf("limit %d is not positive", c.limit))
	}
	if c.window <= 0 {
		errs = append(errs, fmt.Errorf("window %v is not positive", c.window))
	}
	return errors.Join(errs...)
}

// run serves until ctx is done. Spans go to out, as one line of JSON each.
func run(ctx context.Context, out io.Writer, c config) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(out))
	if err != nil {
		return err
	}
	// One at a time, so that they show at once. In production use sdktrace.WithBatcher.
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	defer func() { err = errors.Join(err, traces.Shutdown(context.Background())) }()

	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Open http://%s\n", l.Addr())
	return serve(ctx, l, c, traces)
}

func serve(ctx context.Context, l net.Listener, c config, traces trace.TracerProvider) error {
	sio := socket.NewServer(nil, wrap.Harden(nil))
	srv := &http.Server{Handler: newHandler(sio, c, traces), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	closed := make(chan struct{})
	srv.RegisterOnShutdown(func() {
		defer close(closed)
		sio.Close(nil)
	})
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		_ = srv.Close()
	}
	select { // Shutdown does not wait for WebSockets
	case <-closed:
		return nil
	case <-last.Done():
		return errors.New("connections are still open")
	}
}
