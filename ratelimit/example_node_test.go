package ratelimit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// What docs/from-node.md shows in place of a limiter in a "connection" handler; a test
// compares them. One policy has attempts, connections and events.
func Example_node() {
	limit, err := ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{
		Concurrent:     10,
		Events:         ratelimit.PerSecond(20).Burst(50),
		Event:          map[string]ratelimit.Limit{"search": ratelimit.PerMinute(2)},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, // where nginx is
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, limit.Middleware())
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), limit.Handler))
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("search", func(args ...any) {
			if len(args) == 0 { // a client may leave out what it likes, and a panic ends the process
				return
			}
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack([]any{"found"}, nil)
			}
		})
	})

	srv := httptest.NewServer(mux)
	defer srv.Close()
	defer io.Close(nil)
	header := http.Header{"X-Forwarded-For": {"192.0.2.1"}} // from a client, not from nginx: it counts for nothing
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http")+"/socket.io/?EIO=4&transport=websocket", header)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for _, packet := range []string{"40", `420["search","a"]`, `421["search","b"]`, `422["search","c"]`} {
		_, _, _ = conn.ReadMessage() // the answer to the one before
		_ = conn.WriteMessage(websocket.TextMessage, []byte(packet))
	}
	_, answer, _ := conn.ReadMessage()
	var args []struct{ Code, Policy string }
	_ = json.Unmarshal(answer[len("432"):], &args)
	fmt.Printf("%+v\n", args)
	// Output:
	// [{Code:rate_limited Policy:event:search}]
}
