// Package redisclient is what the redisstore packages have in common: calls of a Redis
// client that end in time.
package redisclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/unit"
)

// MinLease leaves room for late renewals.
const MinLease = time.Second

// Caller limits the time of calls to a client. Its methods may be called concurrently.
type Caller struct {
	prompt  bool // the client gives up when the context ends
	timeout time.Duration
}

// Logger returns l, or the default logger if l is nil, for the store of the package name:
// three of them may use one logger.
func Logger(l *slog.Logger, name string) *slog.Logger {
	if l == nil {
		l = slog.Default()
	}
	return l.With("store", name)
}

// Check returns an error that names all faults of a client and of the options that stores
// have in common; name is the store's package, and lease is 0 for stores without leases.
func Check(name string, client redis.UniversalClient, prefix string, timeout, lease time.Duration) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(name+"/redisstore: "+format, args...))
	}
	switch client := client.(type) {
	case nil:
		fault("no client")
	case *redis.Client:
		if client == nil {
			fault("no client")
		}
	case *redis.ClusterClient:
		if client == nil {
			fault("no client")
		} else if client.Options().ReadOnly {
			fault("client: ReadOnly, or a Route option, asks replicas, which may lag behind and cannot change anything")
		}
	case *redis.Ring:
		fault("client: the servers of a Ring do not tell each other anything, and one that is away is left out")
	}
	if strings.ContainsAny(prefix, "{}") {
		// They would interfere with the braces by which a Cluster assigns keys to slots.
		fault("Prefix: %q has braces", prefix)
	}
	if timeout < 0 {
		fault("Timeout: %v is negative", timeout)
	}
	if err := unit.Check("Timeout", timeout); err != nil {
		fault("%w", err)
	}
	if lease < 0 || lease > 0 && lease < MinLease {
		fault("Lease: %v is less than %v", lease, MinLease)
	}
	return errors.Join(faults...)
}

// New returns a Caller for client, which must have passed Check, whose calls take no
// longer than timeout.
func New(client redis.UniversalClient, timeout time.Duration) Caller {
	// A ClusterClient fetches the table of commands with a timeout of its own, so it is
	// not prompt whatever its options say.
	c, ok := client.(*redis.Client)
	return Caller{prompt: ok && c.Options().ContextTimeoutEnabled, timeout: timeout}
}

// Do calls f with a context that ends after the timeout, and returns by then. f may go
// on, on a goroutine of its own, until the timeouts of the client end it; done is called
// when f has ended. The error is that of f, or the reason why it was not waited for: that
// of ctx if ctx has ended.
func (c Caller) Do(ctx context.Context, f func(ctx context.Context) error, done func()) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var err error
	if c.prompt {
		err = f(limited)
		done()
	} else {
		result := make(chan error, 1)
		go func() {
			defer done()
			result <- f(limited)
		}()
		select {
		case err = <-result:
		case <-limited.Done():
			err = limited.Err()
		}
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // rather than the client's version of it
	}
	return err
}
