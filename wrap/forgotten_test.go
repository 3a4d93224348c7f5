package wrap_test

import (
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// forget makes the host connect a socket to "/x" while it disconnects the one in "/", and
// returns it once the connection has closed.
func forget(t *testing.T, start func(t *testing.T, setup func(io *socket.Server)) *siotest.Server) (*siotest.Server, *socket.Socket) {
	t.Helper()
	came, admit, second := make(chan *socket.Socket, 1), make(chan struct{}), make(chan *socket.Socket, 1)
	entered, joined := make(chan struct{}), make(chan struct{})
	s := start(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("disconnect", func(...any) {
				close(admit)
				<-joined
			})
			came <- s
		})
		_ = io.Of("/x", nil).On("connection", func(args ...any) {
			second <- args[0].(*socket.Socket)
			close(joined)
		})
		io.Of("/x", nil).Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			close(entered)
			go func() { <-admit; next(nil) }()
		})
	})
	c := s.Dial(t, siotest.Dial{})
	so := <-came
	c.Connect("/x", nil)
	<-entered
	so.Disconnect(true)
	siotest.Eventually(t, "the connection has closed", func() bool { return s.IO.Engine().ClientsCount() == 0 })
	return s, <-second
}

func TestForgottenBareHost(t *testing.T) {
	t.Parallel()
	_, so := forget(t, func(t *testing.T, setup func(io *socket.Server)) *siotest.Server { return siotest.NewServer(t, setup) })
	if _, there := so.Nsp().Sockets().Load(so.Id()); !there || !so.Connected() {
		t.Error("the host does not forget it: nothing is to be mended")
	}
}

func TestForgotten(t *testing.T) {
	t.Parallel()
	_, so := forget(t, func(t *testing.T, setup func(io *socket.Server)) *siotest.Server {
		return serve(t, func(io *socket.Server) {
			wrap.UseAll(io, pass)
			setup(io)
		})
	})
	siotest.Eventually(t, "it has gone", func() bool {
		_, there := so.Nsp().Sockets().Load(so.Id())
		return !there && !so.Connected() && so.Nsp().Adapter().Rooms().Len() == 0
	})
}
