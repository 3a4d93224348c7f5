package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/boj/redistore"
	"github.com/redis/go-redis/v9"
	jwtredis "github.com/sioware/sioware/jwtauth/redisstore"
	onlineredis "github.com/sioware/sioware/presence/redisstore"
	limitredis "github.com/sioware/sioware/ratelimit/redisstore"
	"github.com/zishang520/socket.io-go-redis/adapter"
	"github.com/zishang520/socket.io-go-redis/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// prefix is the prefix of all our keys and channels in Redis.
const prefix = "chat:"

// envSecret names the environment variable with the secret that all nodes share. It is
// not a flag, because anybody on the machine could read that.
const envSecret = "CHAT_SECRET"

// newShared returns stores in Redis, which make this process a node of many.
func newShared(c config, log *slog.Logger) (*stores, error) {
	url := c.redis
	if !strings.Contains(url, "://") {
		url = "redis://" + url
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("-redis: %w", err)
	}
	o.ContextTimeoutEnabled = true // makes calls end in time
	client := redis.NewClient(o)

	s := new(stores)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err = ready(ctx, client); err == nil {
		s.secret, err = sharedSecret(ctx, client, c.secret)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-redis: %s: %w", o.Addr, err), client.Close())
	}

	revoked, err1 := jwtredis.New(client, &jwtredis.Options{Prefix: prefix + "jwt:", Logger: log})
	limits, err2 := limitredis.New(client, &limitredis.Options{Prefix: prefix + "limit:", Logger: log})
	online, err3 := onlineredis.New(client, &onlineredis.Options{Prefix: prefix + "presence:", Logger: log})
	mine, err4 := redistore.NewRediStoreWithURL(4, url, s.key("session"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, errors.Join(fmt.Errorf("-redis: %w", err), client.Close())
	}
	mine.SetKeyPrefix(prefix + "session:")
	private(mine.Options)
	s.revoked, s.limits, s.online, s.sessions = revoked, limits, online, mine

	var mute context.CancelFunc
	s.adapter, mute = newAdapter(client, log)
	s.ends = append(s.ends, online.Close, limits.Close, revoked.Close, func(context.Context) error {
		// Closing the server leaves the adapter's subscriptions open. They end once their
		// context has ended and the connection breaks, in this order; otherwise they
		// would complain.
		mute()
		return errors.Join(mine.Close(), client.Close())
	})
	return s, nil
}

// ready returns an error if Redis is not available, or too old for the adapter. The
// program survives later outages, but whoever starts it wants to know.
func ready(ctx context.Context, client *redis.Client) error {
	err := client.SPublish(ctx, prefix+"hello", "").Err()
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "unknown command"):
		return fmt.Errorf("older than 7.0: %w", err)
	}
	return fmt.Errorf("cannot be reached: %w", err)
}

// sharedSecret returns the given secret, or else the one in Redis, where the first node
// puts it. In that case, whoever can read Redis can sign tokens, and be anybody.
func sharedSecret(ctx context.Context, client *redis.Client, given string) ([]byte, error) {
	switch {
	case len(given) >= 32:
		return []byte(given), nil
	case given != "":
		return nil, fmt.Errorf("%s has %d bytes, 32 are needed", envSecret, len(given))
	}
	if err := client.SetNX(ctx, prefix+"secret", rand.Text()+rand.Text(), 0).Err(); err != nil {
		return nil, err
	}
	return client.Get(ctx, prefix+"secret").Bytes()
}

// newAdapter returns the host's adapter that forwards messages for a room to its sockets
// on other nodes: of the three that there are, the one for sharded channels.
func newAdapter(client *redis.Client, log *slog.Logger) (socket.AdapterConstructor, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	rc := types.NewRedisClient(ctx, client)
	_ = rc.On("error", complain(ctx, log))
	opts := &adapter.ShardedRedisAdapterOptions{}
	opts.SetChannelPrefix(prefix + "socket.io")
	return &adapter.ShardedRedisAdapterBuilder{Redis: rc, Opts: opts}, cancel
}

// complain returns a listener for errors between the adapter and Redis. While Redis is
// away there are millions per second: one in ten seconds is logged and, since the adapter
// waits for its listeners, this one keeps it from using up a processor.
func complain(ctx context.Context, log *slog.Logger) func(...any) {
	var mu sync.Mutex
	var last time.Time
	return func(args ...any) {
		if ctx.Err() != nil {
			return // we are shutting down
		}
		mu.Lock()
		if time.Since(last) >= 10*time.Second {
			last = time.Now()
			log.Warn("the adapter does not reach Redis", "error", args)
		}
		mu.Unlock()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// redisLog logs what the Redis client says about its connections, at level Debug: its
// users report the consequences.
type redisLog struct{ log *slog.Logger }

// Printf implements the client's interface.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...))
}
