package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// open returns a store that is closed with the test.
func open(tb testing.TB, client redis.UniversalClient, opts *redisstore.Options) *redisstore.Store {
	tb.Helper()
	var o redisstore.Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = redistest.Logger(tb)
	}
	s, err := redisstore.New(client, &o)
	if err != nil {
		tb.Fatal(err)
	}
	redistest.Closing(tb, s)
	return s
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

// admitted is Admit where no error is expected.
func admitted(t *testing.T, s jwtauth.Store, l jwtauth.Login) jwtauth.Verdict {
	t.Helper()
	v, err := s.Admit(t.Context(), l)
	if err != nil {
		t.Fatalf("Admit: %v", err)
	}
	return v
}
