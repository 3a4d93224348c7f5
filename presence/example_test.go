package presence_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Ask the Tracker who is online, and let it report who comes and goes.
func Example() {
	online, err := presence.New(func(s *socket.Socket) (string, bool) {
		// Here: who the page says. In an application: who has signed in.
		user := wrap.Request(s).URL.Query().Get("user")
		return user, user != ""
	}, &presence.Options{Grace: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer online.Close(context.Background())
	changes := make(chan presence.Change, 10)
	defer online.Watch(func(c presence.Change) { changes <- c })()

	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, online.Middleware())
	server := httptest.NewServer(wrap.Handler(io.ServeHandler(nil)))
	defer server.Close()
	defer io.Close(nil)

	page, _, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+
		"/socket.io/?EIO=4&transport=websocket&user=alice", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = page.WriteMessage(websocket.TextMessage, []byte("40"))
	c := <-changes
	fmt.Println(c.User, c.Kind == presence.Online, c.Cause)
	all, err := online.Status(context.Background(), "alice", "bob")
	fmt.Println(all[0].Online, all[1].Online, err)

	_ = page.Close()
	c = <-changes
	fmt.Println(c.User, c.Kind == presence.Offline, c.Cause)
	// Output:
	// alice true joined
	// true false <nil>
	// alice true lost
}
