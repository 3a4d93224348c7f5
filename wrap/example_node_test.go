package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The recipes of Socket.IO's page on middlewares, which docs/from-node.md shows; a test
// compares them.

// Several middlewares run in order, until one refuses.
func Example_several() {
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io,
		wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			fmt.Println("the first runs")
			return nil
		}),
		wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			return errors.New("the database is gone") // for the log
		}),
		wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			fmt.Println("the third does not")
			return nil
		}),
	)
	fmt.Println(join(io, "40"))
	// Output:
	// the first runs
	// 44{"data":{"code":"internal","message":"Internal error","retryable":false},"message":"Internal error"}
}

// What a middleware has taken is given back, also if the client leaves in the middle.
func Example_leave() {
	seats := make(chan struct{}, 10)
	taken, freed := make(chan struct{}), make(chan struct{})
	free := func() { <-seats; close(freed) }
	io := socket.NewServer(nil, wrap.Harden(nil))
	_ = io.On("connection", func(...any) { fmt.Println("connected") }) // never
	wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		select {
		case seats <- struct{}{}:
		case <-ctx.Done(): // the client has left, or 10 seconds are over
			return ctx.Err()
		}
		context.AfterFunc(wrap.Context(s), free)
		return nil
	}))
	wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		close(taken)
		<-ctx.Done() // something slow
		return ctx.Err()
	}))
	srv := httptest.NewServer(wrap.Handler(io.ServeHandler(nil)))
	defer srv.Close()
	defer io.Close(nil)
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = conn.WriteMessage(websocket.TextMessage, []byte("40"))
	<-taken
	_ = conn.Close()
	<-freed
	fmt.Println(len(seats), "seats are taken")
	// Output:
	// 0 seats are taken
}

// Credentials are what the client writes, so that they may be of any type.
func Example_credentials() {
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		auth, _ := s.Handshake().Auth.(map[string]any)
		token, _ := auth["token"].(string) // "" for whatever is no text
		if token == "" {
			token = strings.TrimPrefix(wrap.Request(s).Header.Get("Authorization"), "Bearer ")
		}
		if token != "abc" {
			return &wrap.Error{Code: "forbidden"}
		}
		return nil
	}))
	for _, auth := range []string{`{"token":["abc"]}`, `{"token":"abc"}`} {
		fmt.Println(join(io, "40"+auth)[:2])
	}
	// Output:
	// 44
	// 40
}

// A refusal may say more than that there is one.
func Example_refusal() {
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		return &wrap.Error{
			Code:    "forbidden",
			Message: "Not on Sundays",
			Data:    map[string]any{"opens": "Monday"},
			Err:     errors.New("calendar 7"), // for the log alone
		}
	}))
	fmt.Println(join(io, "40"))
	// Output:
	// 44{"data":{"code":"forbidden","message":"Not on Sundays","opens":"Monday","retryable":false},"message":"Not on Sundays"}
}

// Middleware for HTTP runs on the handshake, whatever the URL looks like.
func Example_handshake() {
	basic := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, ok := r.BasicAuth(); !ok {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), secureHeaders, basic))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	defer io.Close(nil)
	for _, trick := range []string{"", "&sid=", "&sid=x&sid="} {
		res, err := http.Get(srv.URL + "/socket.io/?EIO=4&transport=polling" + trick)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = res.Body.Close()
		fmt.Println(res.StatusCode, res.Header.Get("X-Frame-Options"))
	}
	// Output:
	// 401 DENY
	// 401 DENY
	// 401 DENY
}

// secureHeaders is what helmet does, in short.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

// CORS tells browsers which pages may read an answer. Origin refuses the others, also
// over WebSocket, which CORS does not cover.
func Example_cors() {
	cors := func(next http.Handler) http.Handler { // or rs/cors
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example.com")
			w.Header().Set("Vary", "Origin")
			next.ServeHTTP(w, r)
		})
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	mux := http.NewServeMux()
	engine := wrap.Handler(io.ServeHandler(nil), wrap.Origin("https://app.example.com"))
	mux.Handle("/socket.io/", cors(engine)) // around it, since polls need it too
	srv := httptest.NewServer(mux)
	defer srv.Close()
	defer io.Close(nil)
	url := "ws" + strings.TrimPrefix(srv.URL, "http") + "/socket.io/?EIO=4&transport=websocket"
	for _, origin := range []string{"https://evil.example", "https://app.example.com"} {
		conn, res, _ := websocket.DefaultDialer.Dial(url, http.Header{"Origin": {origin}})
		fmt.Println(origin, res.StatusCode)
		if conn != nil {
			_ = conn.Close()
		}
	}
	// Output:
	// https://evil.example 403
	// https://app.example.com 101
}

// A middleware that answers a request refuses the socket, and what it puts into the
// context is there.
func Example_compatibility() {
	type userKey struct{}
	session := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := r.Cookie("sid")
			if err != nil {
				http.Error(w, "sign in first", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, "user of "+c.Value)))
		})
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	io.Use(wrap.Namespace(session))
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		user := wrap.Context(s).Value(userKey{}).(string) // socket.request.user
		fmt.Println(user)
	})
	fmt.Println(join(io, "40"))
	// Output:
	// 44{"data":{"code":"http_401","message":"sign in first","retryable":false,"status":401},"message":"sign in first"}
}

// A rule for all namespaces, and one more for one of them.
func Example_namespaces() {
	knows := func(secret string) socket.NamespaceMiddleware {
		return wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			if auth, _ := s.Handshake().Auth.(map[string]any); auth[secret] != true {
				return &wrap.Error{Code: "forbidden", Message: "No " + secret}
			}
			return nil
		})
	}
	user, admin := knows("user"), knows("admin")
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, user)
	io.Of("/admin", nil).Use(admin)
	io.Of("/chat", nil)
	fmt.Println(join(io, `40/chat,`))
	fmt.Println(join(io, `40/admin,{"user":true}`))
	// Output:
	// 44/chat,{"data":{"code":"forbidden","message":"No user","retryable":false},"message":"No user"}
	// 44/admin,{"data":{"code":"forbidden","message":"No admin","retryable":false},"message":"No admin"}
}

// What the host tells a client of a refused event is nothing; Packet answers its ack.
func Example_events() {
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, wrap.Packet(func(ctx context.Context, s *socket.Socket, e *wrap.Event) error {
		if e.Name == "delete" {
			return &wrap.Error{Code: "forbidden", Message: "Not yours"}
		}
		return nil
	}))
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("delete", func(...any) { fmt.Println("deleted") })
	})
	fmt.Println(join(io, `40`, `421["delete","everything"]`))
	// Output:
	// 431[{"code":"forbidden","message":"Not yours","retryable":false}]
}

// What comes after next in Koa and Egg, and what has to be known before.
func Example_after() {
	left := make(chan string, 1)
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		// before next
		context.AfterFunc(wrap.Context(s), func() {
			var why wrap.Disconnected
			errors.As(context.Cause(wrap.Context(s)), &why)
			left <- why.Reason // after next: however it has ended, once
		})
		return nil
	}))
	join(io, "40", "41")
	fmt.Println(<-left)
	// Output:
	// client namespace disconnect
}
