package redisstore_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/redisstore"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("REDIS_LOG") == "" {
		logging.Disable() // the client's own, of every connection that the tests break
	}
	goleak.VerifyTestMain(m)
}

// open returns a store that is closed with the test.
func open(tb testing.TB, client redis.UniversalClient, opts *redisstore.Options) *redisstore.Store {
	tb.Helper()
	var o redisstore.Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s, err := redisstore.New(client, &o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// patient returns a client that does not honor the deadlines of contexts, as is
// the default.
func patient(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: 2 * time.Second, MaxRetries: -1})
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// login returns a login of the user, by a token of its own, that was issued so many
// seconds ago.
func login(p jwtauth.LoginPolicy, user, name string, ago int) jwtauth.Login {
	now := time.Now().Truncate(time.Second)
	return jwtauth.Login{
		ID:       "id of " + name,
		Subject:  user,
		Name:     name,
		IssuedAt: now.Add(-time.Duration(ago) * time.Second),
		Until:    now.Add(time.Hour),
		Policy:   p,
	}
}

// eventually waits for f to hold.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

// admitted is Admit where no error is expected.
func admitted(t *testing.T, s jwtauth.Store, l jwtauth.Login) jwtauth.Verdict {
	t.Helper()
	v, err := s.Admit(t.Context(), l)
	if err != nil {
		t.Fatalf("Admit: %v", err)
	}
	return v
}

// start returns a server, which tests that do not break it could share, but for
// the time it takes they need not.
func start(tb testing.TB, args ...string) *redistest.Server {
	tb.Helper()
	return redistest.Start(tb, args...)
}
