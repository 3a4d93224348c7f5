package wrap

import (
	"context"
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestContextOfPlainRefusal: even where no middleware of this package runs, the context
// of a socket that a plain one has refused ends, and its connection keeps nothing of it.
func TestContextOfPlainRefusal(t *testing.T) {
	t.Parallel()
	const n = 100
	ctxs := make(chan context.Context, n)
	conns := make(chan *connection, n)
	s := siotest.Config{
		Options: Harden(nil),
		Handler: func(h http.Handler) http.Handler { return Handler(h) },
	}.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			ctxs <- Context(s)
			conns <- stateOf(s).conn
			next(socket.NewExtendedError("no", nil))
		})
		io.Of("/open", nil).Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			ctxs <- Context(s)
			next(nil)
		})
	})
	c := s.Dial(t, siotest.Dial{Namespace: "/open"})
	c.Connected(t)
	admitted := <-ctxs
	for range n {
		c.Connect("/", nil)
		c.ConnectError(t)
	}
	for range n {
		<-(<-ctxs).Done()
	}
	conn := <-conns
	conn.mu.Lock()
	open := conn.open.Len()
	conn.mu.Unlock()
	if open != 1 || admitted.Err() != nil {
		t.Errorf("%d states are open, and that of the connected socket has ended: %v", open, admitted.Err())
	}
}
