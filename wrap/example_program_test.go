package wrap_test

import (
	"context"
	"net/http"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func Example() {
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		if auth, _ := s.Handshake().Auth.(map[string]any); auth["token"] != "abc" {
			return &wrap.Error{Code: "forbidden", Message: "Wrong token"}
		}
		return nil
	}))
	io.On("connection", func(args ...any) { args[0].(*socket.Socket).Emit("hello", "world") })

	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), wrap.Origin()))
	http.Handle("/", http.FileServer(http.Dir("public")))
	http.ListenAndServe("127.0.0.1:3000", nil)
}
