package logging_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRecovered: a socket that comes back has records of its own, which say so, however
// often its session is restored, and under its previous id.
func TestRecovered(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		recovery := new(siotest.Recovery)
		options := socket.DefaultServerOptions()
		options.SetConnectionStateRecovery(&socket.ConnectionStateRecovery{})
		options = wrap.Harden(options)
		options.SetAdapter(recovery)
		o := new(observer)
		l, log := newLogger(t, slog.LevelInfo, &logging.Options{Observer: o})
		s := siotest.Config{
			Options: options, Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, l.Handler) },
		}.NewServer(t, func(io *socket.Server) { io.Use(l.Middleware()) })

		c := s.Dial(t, d)
		pid, _ := c.Connected(t).Data.(object)["pid"].(string)
		first := log.one(t, "socket connected")
		check(t, first, object{"conn.recovered": nil})
		recovery.Lose(t, s, c, pid)
		log.one(t, "socket disconnected")

		d.Auth = object{"pid": pid, "offset": "0"}
		var back []*siotest.Client
		for range 2 { // both exist at the same time
			c := s.Dial(t, d)
			c.Connected(t)
			back = append(back, c)
		}
		for _, r := range log.wait(t, 3, "socket connected")[1:] {
			check(t, r, object{"conn.recovered": true, "conn.socket": first["conn"].(object)["socket"]})
		}
		for _, c := range back {
			c.Close()
		}
		for _, r := range log.wait(t, 3, "socket disconnected")[1:] {
			check(t, r, object{"conn.recovered": true, "class": "client"})
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.opened) != 3 || len(o.closed) != 3 || len(o.refused) != 0 || !o.opened[1].Recovered {
			t.Errorf("%d opened, %d closed, %d refused", len(o.opened), len(o.closed), len(o.refused))
		}
	})
}
