package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	limit, err := ratelimit.New(ratelimit.PerHour(2), nil)
	if err != nil {
		panic(err)
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, limit.Middleware())
	srv := httptest.NewServer(wrap.Handler(io.ServeHandler(nil), limit.Handler))
	for range 3 {
		res, err := http.Get(srv.URL + "/socket.io/?EIO=4&transport=polling")
		if err != nil {
			panic(err)
		}
		fmt.Print(res.StatusCode, " ")
	}
	fmt.Println()
}
