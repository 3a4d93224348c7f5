package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func deny(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

func main() {
	io := socket.NewServer(nil, wrap.Harden(nil))
	srv := httptest.NewServer(wrap.Handler(io.ServeHandler(nil), deny, wrap.Origin()))
	res, err := http.Get(srv.URL + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		panic(err)
	}
	fmt.Println(res.StatusCode, res.Header.Get("X-Frame-Options"))
}
