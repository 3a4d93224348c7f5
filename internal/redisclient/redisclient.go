// Package redisclient is what the redisstore packages have in common: a client of Redis
// whose calls end when they are to.
package redisclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// MinLease leaves room for renewals that come late.
const MinLease = time.Second

// Caller makes calls of a client. Its methods may be called concurrently.
type Caller struct {
	prompt  bool // the client gives up when the context ends
	timeout time.Duration
}

// Check returns an error that names all faults of a client and of the options that stores
// have in common; lease is 0 for those that have none.
func Check(client redis.UniversalClient, prefix string, timeout, lease time.Duration) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("redisstore: "+format, args...)) }
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
		// They would take the place of those by which a Cluster puts keys.
		fault("Prefix: %q has braces", prefix)
	}
	if timeout < 0 {
		fault("Timeout: %v is negative", timeout)
	}
	if lease < 0 || lease > 0 && lease < MinLease {
		fault("Lease: %v is less than %v", lease, MinLease)
	}
	return errors.Join(faults...)
}

// New returns a Caller for client, which Check has found nothing wrong with, whose calls
// take no longer than timeout.
func New(client redis.UniversalClient, timeout time.Duration) Caller {
	// A ClusterClient fetches the table of commands on a clock of its own, so that it is
	// not prompt whatever its options say.
	c, ok := client.(*redis.Client)
	return Caller{prompt: ok && c.Options().ContextTimeoutEnabled, timeout: timeout}
}

// Do calls f with a context that ends after the timeout, and returns by then; f may go
// on, on a goroutine of its own, until the timeouts of the client end it. done is called
// when f has ended. The error is that of f, or why it was not waited for: that of ctx if
// ctx has ended.
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
		return ctx.Err() // rather than how the client puts it
	}
	return err
}
