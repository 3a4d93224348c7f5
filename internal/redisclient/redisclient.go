// Package redisclient is what the redisstore packages have in common: a client of Redis
// whose calls end when they are to.
package redisclient

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Caller makes calls of a client. Its methods may be called concurrently.
type Caller struct {
	prompt  bool // the client gives up when the context ends
	timeout time.Duration
}

// New returns a Caller for client, whose calls take no longer than timeout. The error
// says why a store cannot use the client: there is none, or what one process has
// written another may not read.
func New(client redis.UniversalClient, timeout time.Duration) (Caller, error) {
	none := errors.New("no client")
	c := Caller{timeout: timeout}
	switch client := client.(type) {
	case nil:
		return c, none
	case *redis.Client:
		if client == nil {
			return c, none
		}
		c.prompt = client.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		if client == nil {
			return c, none
		}
		// It fetches the table of commands on a clock of its own, so that it is
		// not prompt whatever its options say.
		if client.Options().ReadOnly {
			return c, errors.New("client: ReadOnly, or a Route option, asks replicas, which may lag behind and cannot change anything")
		}
	case *redis.Ring:
		return c, errors.New("client: the servers of a Ring do not tell each other anything, and one that is away is left out")
	}
	return c, nil
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
