package wrap_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestPongTooSoonBareHost: a PONG that arrives before the host has armed the timer of its
// PING, which it does after sending it, does not stop the timer. The next PING does.
func TestPongTooSoonBareHost(t *testing.T) {
	bare(t)
	const interval, beats = 200 * time.Millisecond, 10
	for _, timeout := range []time.Duration{interval / 2, 3 * interval} {
		t.Run(fmt.Sprint(timeout), func(t *testing.T) {
			t.Parallel()
			o := socket.DefaultServerOptions()
			o.SetPingInterval(interval)
			o.SetPingTimeout(timeout)
			beat, ended := make(chan struct{}, 2*beats), make(chan any, 1)
			s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
				_ = io.On("connection", func(args ...any) {
					so := args[0].(*socket.Socket)
					_ = so.On("disconnect", func(args ...any) { ended <- args[0] })
					pong := make(chan struct{}, 1)
					_ = so.Conn().On("heartbeat", func(...any) { pong <- struct{}{}; beat <- struct{}{} })
					// Nothing but PINGs is sent now. As if the goroutine had to wait for a processor:
					_ = so.Conn().On("drain", func(...any) {
						select {
						case <-pong:
						case <-t.Context().Done():
						}
					})
				})
			})
			s.Dial(t, siotest.Dial{}).Connected(t)
			if timeout < interval {
				if why := <-ended; why != "ping timeout" {
					t.Errorf("ended with %v", why)
				}
				return
			}
			for range beats {
				<-beat
			}
			select {
			case why := <-ended:
				t.Errorf("ended with %v", why)
			default:
			}
		})
	}
}
