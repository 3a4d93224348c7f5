//go:build linux

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRooms: no room keeps a socket that has left, and the host none that it has
// forgotten, however the steps of joins, kicks and ends interleave.
func TestRooms(t *testing.T) {
	t.Parallel()
	name := func(s *socket.Socket) string { return s.Handshake().Headers["X-User"][0] }
	online, err := presence.New(func(s *socket.Socket) (string, bool) { return name(s), true },
		&presence.Options{Grace: time.Millisecond, MaxDevices: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = online.Close(context.Background()) })
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	o.SetAdapter(hesitant{})
	o.SetPingInterval(2 * time.Second) // of clients that have vanished from long-polling
	o.SetPingTimeout(3 * time.Second)
	s := siotest.Config{
		Options: wrap.Harden(o), Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, online.Middleware())
		_ = io.On("connection", func(args ...any) { end(args[0].(*socket.Socket), rand.IntN(6)) })
	})

	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for range duration() / (50 * time.Millisecond) {
				comeAndGo(t, s)
			}
		})
	}
	running.Wait()

	nsp := s.IO.Sockets()
	a := nsp.Adapter()
	siotest.Eventually(t, "all have gone", func() bool {
		return s.IO.Engine().ClientsCount() == 0 && nsp.Sockets().Len() == 0
	})
	siotest.Eventually(t, "the rooms are empty", func() bool { return a.Rooms().Len() == 0 && a.Sids().Len() == 0 })
}

// end ends a socket, in one way or in two at once, or leaves it alone.
func end(s *socket.Socket, how int) {
	switch how {
	case 0:
		go s.Disconnect(false)
	case 1:
		go s.Conn().Close(true)
	case 2:
		go wrap.Kick(s, &wrap.Error{Code: "forbidden"})
	case 3:
		go s.Disconnect(false)
		go s.Conn().Close(true)
	}
}

// comeAndGo is a client that connects, perhaps comes back over the same connection, and
// vanishes.
func comeAndGo(t *testing.T, s *siotest.Server) {
	pause := func(d time.Duration) { time.Sleep(rand.N(d)) } // not a wait for a condition: spreads them so that they overlap
	d := siotest.Dial{
		NoConnect: true, Polling: rand.IntN(3) == 0,
		Header: http.Header{"X-User": {fmt.Sprint("user-", rand.IntN(3))}},
	}
	if rand.IntN(3) == 0 {
		d.EIO = 3
	}
	c, err := s.Open(t, d)
	if err != nil {
		return
	}
	defer c.Kill()
	c.Connect("/", nil)
	pause(3 * time.Millisecond)
	if rand.IntN(2) == 0 {
		c.Disconnect("/")
		pause(time.Millisecond)
		c.Connect("/", nil)
		pause(time.Millisecond)
	}
}
