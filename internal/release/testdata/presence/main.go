package main

import (
	"context"
	"fmt"

	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	online, err := presence.New(func(*socket.Socket) (string, bool) { return "ada", true }, nil)
	if err != nil {
		panic(err)
	}
	wrap.UseAll(socket.NewServer(nil, nil), online.Middleware())
	ctx := context.Background()
	who, err := online.Status(ctx, "ada")
	fmt.Println(len(who), err, online.Close(ctx))
}
