package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	sess, err := session.New(sessions.NewCookieStore([]byte("a secret of 32 bytes, or longer.")), "sid", nil)
	if err != nil {
		panic(err)
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, sess.Middleware())
	srv := httptest.NewServer(wrap.Handler(io.ServeHandler(nil), sess.Handler))
	res, err := http.Get(srv.URL + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		panic(err)
	}
	fmt.Println(res.StatusCode, res.Cookies()[0].Name)
}
