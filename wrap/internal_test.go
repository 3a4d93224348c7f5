package wrap

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io/v2/socket"
)

type slowNsp struct {
	socket.Namespace
	on chan struct{}
}

func (n *slowNsp) On(ev string, l ...events.Listener) error {
	<-n.on
	return n.Namespace.On(ev, l...)
}

// The second caller must not go on before the first has put its listener.
func TestObserveWaits(t *testing.T) {
	io := socket.NewServer(nil, nil)
	n := &slowNsp{io.Sockets(), make(chan struct{})}
	go observe(n)
	<-time.After(20 * time.Millisecond)
	done := make(chan int)
	go func() { observe(n); done <- n.EventEmitter().ListenerCount("connect") }()
	time.AfterFunc(20*time.Millisecond, func() { close(n.on) })
	if got := <-done; got != 1 {
		t.Errorf("%d listeners when observe returned", got)
	}
}

func TestSettleCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(handshake)
		one, two := h.settle(), h.settle()
		one()
		start := time.Now()
		h.wait()
		if time.Since(start) != maxSettle {
			t.Error("did not wait for the second, or without bound:", time.Since(start))
		}
		two()
		start = time.Now()
		h.wait()
		if time.Since(start) != 0 || h.settled.Load() != nil {
			t.Error("waits for nobody")
		}
	})
}

// A connection reads on after a watch, and hands over what the watch has read.
func TestConnWatch(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	gate := make(chan struct{})
	close(gate)
	c := newConn(ours, gate, nil)
	for range 3 {
		stop := c.watch(func(err error) { t.Error(err) })
		_, _ = theirs.Write([]byte("ahead"))
		stop()
		b := make([]byte, 3)
		for _, want := range []string{"ahe", "ad"} {
			if n, err := c.Read(b); err != nil || string(b[:n]) != want {
				t.Fatalf("%q %v", b[:n], err)
			}
		}
		go func() { <-time.After(5 * time.Millisecond); _, _ = theirs.Write([]byte("x")) }()
		if n, err := c.Read(b); err != nil || n != 1 {
			t.Fatal(n, err) // the deadline of the watch is gone
		}
	}
	// What is read ahead is bounded.
	stop := c.watch(func(error) {})
	_ = theirs.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := theirs.Write(make([]byte, 10*maxAhead)); err == nil || n > 2*maxAhead {
		t.Errorf("%d bytes read ahead", n)
	}
	stop()
}
