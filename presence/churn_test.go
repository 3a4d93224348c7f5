package presence_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestChurn: 100,000 times a socket connects and leaves, each as a device of its own,
// beside another one of the same user: the changes of each user alternate, and at the end
// nobody is there.
func TestChurn(t *testing.T) {
	const pairs = 25
	rounds := 100_000 / (2 * pairs)
	if testing.Short() {
		rounds = 20
	}
	p := trackerOf(t, func(s *socket.Socket) (string, bool) {
		return s.Request().Request().URL.Query().Get("user"), s.Nsp().Name() == "/other"
	}, &presence.Options{Grace: -1})
	l := watch(t, p)
	s := serve(t, p)
	_ = s.IO.Of("/other", nil).On("connection", func(args ...any) {
		_ = p.Join(context.Background(), args[0].(*socket.Socket), "lobby", nil) // unless it has gone
	})
	clients := make([]*siotest.Client, 2*pairs)
	for i := range clients {
		clients[i], _ = s.join(t, siotest.Dial{Query: url.Values{"user": {fmt.Sprint("user-", i/2)}}})
	}
	sockets := make([]*socket.Socket, len(clients))
	for range rounds {
		for _, c := range clients {
			c.Connect("/other", nil)
		}
		for i, c := range clients {
			c.Connected(t)
			sockets[i] = <-s.sockets
		}
		for _, c := range clients {
			c.Disconnect("/other")
		}
		siotest.Eventually(t, "all have left", func() bool { // or the host takes the next CONNECT for a second one
			return !slices.ContainsFunc(sockets, (*socket.Socket).Connected)
		})
	}
	for i := range pairs {
		user := fmt.Sprint("user-", i)
		siotest.Eventually(t, user+" is gone", func() bool {
			return !status(t, p, user).Online && len(l.of(presence.Online, user)) == len(l.of(presence.Offline, user)) &&
				len(l.of(presence.Joined, user)) == len(l.of(presence.Left, user))
		})
	}
	for _, room := range []string{"", "lobby"} {
		if n, err := p.Count(t.Context(), room); n != 0 || err != nil {
			t.Errorf("%d in %q, %v", n, room, err)
		}
	}
	t.Logf("%d connects, %d times online", rounds*len(clients), len(l.of(presence.Online, "")))
}
