package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/redisstore"
)

// Two processes share what is revoked. Package jwtauth makes these calls; it needs
// only the Store, as Options.Store.
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

	told := make(chan jwtauth.Change, 1)
	defer there.Watch(func(c jwtauth.Change) { told <- c })()

	ctx := context.Background()
	if err := here.Revoke(ctx, jwtauth.BySubject("alice")); err != nil {
		log.Fatal(err)
	}
	fmt.Println("told of", (<-told).Revocation.Subject)

	verdict, err := there.Admit(ctx, jwtauth.Login{
		ID:       "a token",
		Subject:  "alice",
		IssuedAt: time.Now().Add(-time.Minute),
		Until:    time.Now().Add(time.Hour),
	})
	fmt.Println(verdict == jwtauth.Revoked, err)
	// Output:
	// told of alice
	// true <nil>
}
