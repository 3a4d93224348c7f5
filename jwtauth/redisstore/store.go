package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redisclient"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/internal/millis"
)

// Defaults of [Options].
const (
	DefaultPrefix  = "sioware:jwt:"
	DefaultTimeout = time.Second
)

// Options configure a [Store]. The zero value, and nil, mean the defaults.
type Options struct {
	// Prefix is that of all keys and of the channel, without braces; "" means
	// DefaultPrefix. Stores with one prefix in one Redis are nodes of one store.
	// Two applications need two prefixes even if they use two databases of one
	// Redis, since all databases share their channels.
	Prefix string

	// Timeout is how long a call may take; 0 means DefaultTimeout. If the context
	// ends earlier, so does the call.
	Timeout time.Duration

	// Logger gets what goes wrong with the subscription. Nil means slog.Default().
	// Its records have the attribute "store", which is "jwtauth".
	Logger *slog.Logger
}

// Store is a [jwtauth.Store] in Redis. Create one with [New]. It is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	caller  redisclient.Caller
	prefix  string
	timeout time.Duration
	logger  *slog.Logger

	pingEvery time.Duration // a seam for tests

	mu       sync.Mutex
	watchers []*watcher        // copied on write
	feed     *redisclient.Feed // nil before the first Watch
	closed   bool
}

var _ jwtauth.Store = (*Store)(nil)

// ErrClosed is returned by methods after [Store.Close].
var ErrClosed = errors.New("redisstore: closed")

// New returns a Store that uses client. The caller closes client, after the
// Store. client must not be a Ring, nor read from replicas. New does not connect:
// if Redis is away at the start, calls fail, not New. The error joins all faults.
func New(client redis.UniversalClient, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := redisclient.Check("jwtauth", client, o.Prefix, o.Timeout, 0); err != nil {
		return nil, err
	}
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Logger = redisclient.Logger(o.Logger, "jwtauth")
	return &Store{
		client:  client,
		caller:  redisclient.New(client, o.Timeout),
		prefix:  o.Prefix,
		timeout: o.Timeout,
		logger:  o.Logger,

		pingEvery: redisclient.DefaultPing,
	}, nil
}

// do calls f with a context that ends after the timeout, and returns by then.
func (s *Store) do(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := s.caller.Do(ctx, f, func() {}); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}

// Admit implements [jwtauth.Store]. With an error the verdict means nothing, and
// is not Admitted.
func (s *Store) Admit(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
	if l.Policy < jwtauth.ManyLogins || l.Policy > jwtauth.OldestLogin {
		return jwtauth.Revoked, fmt.Errorf("redisstore: unknown policy %d", l.Policy)
	}
	if l.Policy != jwtauth.ManyLogins && l.Subject == "" {
		return jwtauth.Revoked, errors.New("redisstore: a login without a subject")
	}
	// A variable of its own for each call: one that was given up may still write.
	verdict := new(jwtauth.Verdict)
	err := s.do(ctx, func(ctx context.Context) (err error) {
		if l.Policy == jwtauth.ManyLogins {
			*verdict, err = s.look(ctx, l)
		} else {
			*verdict, err = s.decide(ctx, l)
		}
		return err
	})
	if err != nil {
		return jwtauth.Revoked, err
	}
	return *verdict, nil
}

// look decides about a login under ManyLogins: it is either revoked or
// admitted, and nothing changes.
func (s *Store) look(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
	var byID, bySubject *redis.StringCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		byID = p.Get(ctx, s.idKey(hash(l.ID)))
		if l.Subject != "" {
			bySubject = p.Get(ctx, s.subjectKeys(l)[0])
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return jwtauth.Revoked, err
	}
	if found, err := exists(byID); found || err != nil {
		return jwtauth.Revoked, err
	}
	if bySubject == nil {
		return jwtauth.Admitted, nil
	}
	if found, err := exists(bySubject); !found {
		return verdictOf(err), err
	}
	before, err := bySubject.Int64()
	if err != nil || l.IssuedAt.IsZero() || millis.Of(l.IssuedAt) < before {
		return jwtauth.Revoked, err
	}
	return jwtauth.Admitted, nil
}

// decide decides about a login under the other policies. It first asks what the
// script would do, together with whether the ID is revoked: a revoked token must
// not replace a login. Only then does it have the script do it.
func (s *Store) decide(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
	keys, args := s.subjectKeys(l), s.loginArgs(l)
	var byID *redis.StringCmd
	var plan *redis.Cmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		byID = p.Get(ctx, s.idKey(hash(l.ID)))
		plan = admit.EvalSha(ctx, p, keys, args...)
		return nil
	})
	if found, err := exists(byID); found || err != nil {
		return jwtauth.Revoked, err
	}
	if redis.HasErrorPrefix(plan.Err(), "NOSCRIPT") {
		plan = admit.Eval(ctx, s.client, keys, args...)
	} else if err != nil && !errors.Is(err, redis.Nil) {
		return jwtauth.Revoked, err
	}
	for committed := false; ; {
		d, err := parseDecision(plan)
		switch {
		case err != nil:
			return jwtauth.Revoked, err
		case d.verdict == jwtauth.Occupied || d.verdict == ask:
			if d.holder == args[argKnown] {
				return jwtauth.Occupied, nil
			}
			revoked, err := exists(s.client.Get(ctx, s.idKey(d.holder)))
			if err != nil {
				return jwtauth.Revoked, err
			}
			if !revoked && d.verdict == jwtauth.Occupied {
				return jwtauth.Occupied, nil
			}
			if !revoked && !d.changes {
				return jwtauth.Admitted, nil
			}
			args[argKnown], args[argRevoked] = d.holder, revoked
		case committed || !d.changes:
			return d.verdict, nil
		}
		args[argCommit] = 1
		if args[argMessage], err = encode(jwtauth.Change{Login: l}); err != nil {
			return jwtauth.Revoked, err
		}
		plan, committed = admit.Run(ctx, s.client, keys, args...), true
		// If the script asks again, another login has come in between. That cannot
		// go on forever: the context ends.
	}
}

// exists reports whether a GET has found its key.
func exists(c *redis.StringCmd) (bool, error) {
	if err := c.Err(); err != nil {
		if errors.Is(err, redis.Nil) {
			return false, nil
		}
		return false, err
	}
	return true, nil
}

func verdictOf(err error) jwtauth.Verdict {
	if err != nil {
		return jwtauth.Revoked
	}
	return jwtauth.Admitted
}

// Revoke implements [jwtauth.Store]. It returns an error if r does not have
// exactly one of ID and Subject.
func (s *Store) Revoke(ctx context.Context, r jwtauth.Revocation) error {
	if (r.ID == "") == (r.Subject == "") {
		return errors.New("redisstore: a revocation names either an ID or a subject")
	}
	message, err := encode(jwtauth.Change{Revocation: r})
	if err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	key, value := s.idKey(hash(r.ID)), any("")
	if r.ID == "" {
		key, value = s.subjectKeys(jwtauth.Login{Subject: r.Subject})[0], millis.Ceil(r.Before)
	}
	until := any("") // the script then uses the default
	if !r.Until.IsZero() {
		until = millis.Of(r.Until)
	}
	return s.do(ctx, func(ctx context.Context) error {
		return revoke.Run(ctx, s.client, []string{key}, value, until, s.channel(), message).Err()
	})
}
