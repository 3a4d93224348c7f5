package redisstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/redisstore"
)

// Two processes share a limit. Package ratelimit makes these calls; it needs only the
// Store, as Options.Store.
func Example() {
	server, err := miniredis.Run() // in place of Redis
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	node := func() (*redisstore.Store, func()) {
		client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
		store, err := redisstore.New(client, nil)
		if err != nil {
			log.Fatal(err)
		}
		return store, func() { _, _ = store.Close(context.Background()), client.Close() }
	}
	here, closeHere := node()
	defer closeHere()
	there, closeThere := node()
	defer closeThere()

	ctx := context.Background()
	limit := ratelimit.PerHour(2)
	for _, store := range []*redisstore.Store{here, there, here} {
		v, err := store.Take(ctx, "alice", limit, 1)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v.Allowed, v.Remaining)
	}

	release, _, err := here.Acquire(ctx, "alice", 1)
	if err != nil {
		log.Fatal(err)
	}
	defer release()
	_, v, err := there.Acquire(ctx, "alice", 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a second connection:", v.Allowed)
	// Output:
	// true 1
	// true 0
	// false 0
	// a second connection: false
}
