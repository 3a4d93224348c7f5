package logging_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
)

// TestTransportsAreOurs: an Observer may modify its Summary.
func TestTransportsAreOurs(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{Observer: reversing{}})
	c := logged(t, l).Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
	c.Connect("/other", nil)
	c.Connected(t)
	c.Upgrade(t)
	c.EmitAck(t, "echo")
	c.Close()
	for _, r := range log.wait(t, 2, "socket disconnected") {
		if got := fmt.Sprint(r["transports"]); got != "[polling websocket]" {
			t.Errorf("transports %v", got)
		}
	}
}

// reversing is an Observer that modifies what it is told.
type reversing struct{}

func (reversing) Opened(logging.Conn)                      {}
func (reversing) Refused(logging.Conn, logging.Refusal)    {}
func (reversing) Event(logging.Conn, logging.Event)        {}
func (reversing) Closed(_ logging.Conn, s logging.Summary) { slices.Reverse(s.Transports) }
