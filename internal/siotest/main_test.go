package siotest_test

import (
	"os"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestMain(m *testing.M) {
	siotest.Main(m, map[string]func(func(string)){
		"echo": func(report func(string)) {
			report(siotest.Config{}.Serve(echo))
		},
		"crash": func(report func(string)) {
			report(siotest.Config{}.Serve(func(io *socket.Server) {
				io.On("connection", func(...any) { panic("on purpose") })
			}))
		},
		"silent": func(func(string)) { os.Exit(3) },
	})
}

// echo returns every event "echo" as an event or as an acknowledgement, asks
// for one itself on "ask" and refuses the token "bad". The handlers are in
// place before CONNECT is answered: those of on("connection") come later and
// may miss the first event.
func echo(io *socket.Server) {
	serve := func(s *socket.Socket, next func(*socket.ExtendedError)) {
		auth, _ := s.Handshake().Auth.(map[string]any)
		if auth["token"] == "bad" || s.Handshake().Headers["X-Token"] != nil {
			next(socket.NewExtendedError("refused", map[string]any{"code": "bad"}))
			return
		}
		_ = s.On("echo", func(args ...any) {
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack(args[:len(args)-1], nil)
				return
			}
			_ = s.Emit("echo", args...)
		})
		_ = s.On("ask", func(...any) {
			s.EmitWithAck("question", 42)(func(args []any, _ error) { _ = s.Emit("answered", args...) })
		})
		_ = s.On("leave", func(...any) { s.Disconnect(true) })
		next(nil)
	}
	io.Use(serve)
	io.Of("/admin", nil).Use(serve)
}
