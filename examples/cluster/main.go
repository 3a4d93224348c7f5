// Cluster is one node of a deployment. Any number of them behind a proxy, with one Redis,
// know together who is online, kick each other's sockets, and forward private messages.
//
// Read node.go first; README.md says how to start two of them and nginx, and what happens
// when one is killed.
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

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/logging"
)

// envSecret names the environment variable with the secret that signs tokens. It is not a
// flag, because anybody on the machine could read that.
const envSecret = "CLUSTER_SECRET"

// config holds the values of the flags.
type config struct {
	addr   string
	redis  string // URL
	name   string
	grace  time.Duration // how long a user stays online without a connection
	lease  time.Duration // how long the users of a node that has died count as connected there
	secret []byte
}

func main() {
	os.Exit(command(os.Args[1:], os.Stdout))
}

// command runs the program and returns its exit code.
func command(args []string, out io.Writer) int {
	c := config{secret: []byte(os.Getenv(envSecret))}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:3001", "`address` to listen on")
	flags.StringVar(&c.redis, "redis", "redis://127.0.0.1:6379", "`URL` of the Redis that all nodes share, 7.0 or later")
	flags.StringVar(&c.name, "name", "", "`name` of this node, which others see; the address if empty")
	flags.DurationVar(&c.grace, "grace", 15*time.Second, "how long a user without a connection stays online")
	flags.DurationVar(&c.lease, "lease", 15*time.Second, "how long the users of a node that has died are taken for connected; the same on all nodes")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if c.name == "" {
		c.name = c.addr
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	log := slog.New(logging.Redact(slog.NewTextHandler(os.Stderr, nil))).With("node", c.name)
	slog.SetDefault(log)
	redis.SetLogger(redisLog{log})
	if err := run(ctx, log, out, c); err != nil {
		log.Error("cluster", "error", err)
		return 1
	}
	return 0
}

// redisLog logs what the Redis client says about its connections, at level Debug: its
// users report the consequences.
type redisLog struct{ log *slog.Logger }

// Printf implements the client's interface.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...))
}

// run serves until ctx is done, then hands its users over and lets everyone go, in such
// an order that nobody notices.
func run(ctx context.Context, log *slog.Logger, out io.Writer, c config) error {
	n, err := newNode(c, log)
	if err != nil {
		return err
	}
	defer n.close() // last: the adapter of the server uses Redis until it is closed

	srv := &http.Server{
		Handler:           until(ctx)(n.handler()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	closed := make(chan struct{})
	srv.RegisterOnShutdown(func() {
		defer close(closed)
		n.io.Close(nil)
	})
	failed := make(chan error, 1)
	l, err := net.Listen("tcp", c.addr)
	if err == nil {
		fmt.Fprintf(out, "Node %s listens on http://%s\n", c.name, l.Addr())
		go func() { failed <- srv.Serve(l) }()
		select {
		case err = <-failed:
		case <-ctx.Done(): // from now on newcomers get 503, and the proxy asks another node
		}
	}

	log.Info("shutting down")
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// Before the sockets are closed, so that the users of this node stay online for their
	// grace period, in which they find another node.
	if err := n.handOver(grace); err != nil {
		log.Warn("the users of this node are left to the others", "error", err)
	}
	if err := srv.Shutdown(grace); err != nil {
		log.Warn("requests are cut off", "error", err)
		_ = srv.Close()
	}
	// Shutdown does not wait for WebSockets, which are no longer its own.
	select {
	case <-closed:
		return err
	case <-grace.Done():
		return errors.Join(err, errors.New("connections are still open"))
	}
}

// until answers 503 once ctx is done: for new clients the proxy tries another node, and
// connected ones learn from their next poll that they should reconnect.
func until(ctx context.Context) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ctx.Err() != nil {
				http.Error(w, "Shutting down", http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
