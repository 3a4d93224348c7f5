package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/presence/redisstore"
)

func main() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1}) // nobody is there
	store, err := redisstore.New(client, nil)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = store.Count(ctx, "lobby")
	fmt.Println(err != nil)
	_ = store.Close(ctx) // cannot hand anything over
	_ = client.Close()
}
