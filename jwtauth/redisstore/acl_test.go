package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
	"github.com/sioware/sioware/jwtauth/redisstore"
)

// The documentation names all commands that the store uses.
func TestACL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	admin := server.Client(t)
	rules := []any{
		"ACL", "SETUSER", "app", "on", ">secret", "resetkeys", "resetchannels", "-@all",
		"~" + redisstore.DefaultPrefix + "*", "&" + redisstore.DefaultPrefix + "changes",
	}
	for _, c := range strings.Fields("get eval evalsha subscribe ping del hmget hset pexpireat pttl publish set time zadd zrange zremrangebyscore zscore") {
		rules = append(rules, "+"+c)
	}
	if err := admin.Do(t.Context(), rules...).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr, Username: "app", Password: "secret", ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = client.Close() })
	t.Run("all", func(t *testing.T) {
		jwtauthtest.TestStore(t, func(t *testing.T) (a, b jwtauth.Store) {
			return open(t, client, unhurried), open(t, client, unhurried)
		})
	})
	if log, err := admin.ACLLog(t.Context(), 10).Result(); err != nil || len(log) > 0 {
		t.Errorf("denied: %+v, %v", log, err)
	}
}
