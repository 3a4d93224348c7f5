package logging

import (
	"log/slog"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestToldLater: the application's attributes of a socket are in the record of its end,
// even if the socket was collected before that is written.
func TestToldLater(t *testing.T) {
	t.Parallel()
	l := loggerAt(t, slog.LevelInfo, &Options{
		User:  func(*socket.Socket) (string, bool) { return "ada", true },
		Attrs: func(*socket.Socket) []slog.Attr { return []slog.Attr{slog.String("tenant", "acme")} },
	})
	sockets := make(chan *socket.Socket, 1)
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
	})
	s.Dial(t, siotest.Dial{}).Connected(t)
	m := l.members.Load(<-sockets)
	siotest.Eventually(t, "it is told of", func() bool { return m.phase.Load() == opened })
	got := m.appAttrs(nil)
	if len(got) != 2 || !got[0].Equal(slog.String("user", "ada")) || !got[1].Equal(slog.String("tenant", "acme")) {
		t.Errorf("%v", got)
	}
}
