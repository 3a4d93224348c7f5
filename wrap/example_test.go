package wrap_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Existing HTTP middleware runs on the handshake; what it puts into the request
// is there when sockets connect.
func ExampleHandler() {
	type user struct{}
	withUser := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, _, ok := r.BasicAuth()
			if !ok {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			w.Header().Set("X-Frame-Options", "DENY")
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), user{}, name)))
		})
	}

	sio := socket.NewServer(nil, wrap.Harden(nil))
	connected := make(chan string, 1)
	_ = sio.On("connection", func(args ...any) {
		connected <- wrap.Context(args[0].(*socket.Socket)).Value(user{}).(string)
	})
	srv := httptest.NewServer(wrap.Handler(sio.ServeHandler(nil), withUser))
	defer srv.Close()
	defer sio.Close(nil)

	res, _ := http.Get(srv.URL + "/socket.io/?EIO=4&transport=polling")
	body, _ := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, strings.TrimSpace(string(body)))

	url := "ws" + strings.TrimPrefix(srv.URL, "http") + "/socket.io/?EIO=4&transport=websocket"
	conn, res, err := websocket.DefaultDialer.Dial(url, http.Header{"Authorization": {"Basic YWRhOng="}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println(res.StatusCode, res.Header.Get("X-Frame-Options"))
	_ = conn.WriteMessage(websocket.TextMessage, []byte("40")) // CONNECT
	fmt.Println(<-connected)
	// Output:
	// 401 who are you?
	// 101 DENY
	// ada
}

// A connection middleware returns nil to admit and an error to refuse.
func ExampleFunc() {
	members := wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		auth, _ := s.Handshake().Auth.(map[string]any)
		if auth["name"] != "ada" {
			return &wrap.Error{Code: "forbidden", Message: "Members only", Data: map[string]any{"join": "/signup"}}
		}
		context.AfterFunc(wrap.Context(s), func() { /* she has left */ })
		return nil
	})
	sio := socket.NewServer(nil, wrap.Harden(nil))
	sio.Use(members)
	fmt.Println(join(sio, `40{"name":"eve"}`))
	fmt.Println(join(sio, `40{"name":"ada"}`)[:7])
	// Output:
	// 44{"data":{"code":"forbidden","join":"/signup","message":"Members only","retryable":false},"message":"Members only"}
	// 40{"sid
}

// A packet middleware sees each event first. What it refuses is told to the
// client through the ack.
func ExamplePacket() {
	sio := socket.NewServer(nil, wrap.Harden(nil))
	sio.Use(wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
		if p.Name == "say" && len(p.Args) == 1 && p.Args[0] == "" {
			return &wrap.Error{Code: "forbidden", Message: "Nothing to say"}
		}
		return nil
	}))
	fmt.Println(join(sio, `40`, `421["say",""]`))
	// Output:
	// 431[{"code":"forbidden","message":"Nothing to say","retryable":false}]
}

// HTTP middleware can decide about one namespace.
func ExampleNamespace() {
	staff := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Staff") == "" {
				http.Error(w, "staff only", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	sio := socket.NewServer(nil, wrap.Harden(nil))
	sio.Of("/admin", nil).Use(wrap.Namespace(staff))
	fmt.Println(join(sio, `40/admin,`))
	// Output:
	// 44/admin,{"data":{"code":"http_403","message":"staff only","retryable":false,"status":403},"message":"staff only"}
}

// A rule for every namespace, also those to come.
func ExampleUseAll() {
	sio := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(sio, wrap.Require())
	fmt.Println(join(sio, `40`)[:7])
	// Output:
	// 40{"sid
}

// Pages of other sites may not open sessions with the user's cookies.
func ExampleOrigin() {
	h := wrap.Origin("https://app.example.com")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "welcome")
	}))
	for _, origin := range []string{"https://example.com", "https://app.example.com", "https://evil.example"} {
		r := httptest.NewRequest("GET", "https://example.com/socket.io/?EIO=4&transport=websocket", nil)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(origin, w.Code)
	}
	// Output:
	// https://example.com 200
	// https://app.example.com 200
	// https://evil.example 403
}

// join opens a session on a server behind Handler, sends packets, and returns
// the last answer.
func join(sio *socket.Server, packets ...string) string {
	srv := httptest.NewServer(wrap.Handler(sio.ServeHandler(nil)))
	defer srv.Close()
	defer sio.Close(nil)
	url := "ws" + strings.TrimPrefix(srv.URL, "http") + "/socket.io/?EIO=4&transport=websocket"
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	answer := []byte("no answer")
	for range len(packets) + 1 { // OPEN comes first
		if _, answer, err = conn.ReadMessage(); err != nil {
			return err.Error()
		}
		if len(packets) > 0 {
			_ = conn.WriteMessage(websocket.TextMessage, []byte(packets[0]))
			packets = packets[1:]
		}
	}
	return string(answer)
}
