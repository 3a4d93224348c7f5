package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/presence/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// unhurried is for tests that expect answers, on a machine that is busy.
var unhurried = &redisstore.Options{Timeout: 20 * time.Second}

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
