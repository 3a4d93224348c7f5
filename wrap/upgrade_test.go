package wrap_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func init() {
	children["short upgrade"] = func(report func(string)) {
		o := wrap.Harden(nil)
		o.SetUpgradeTimeout(20 * time.Millisecond)
		report(siotest.Config{
			Options: o,
			Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
		}.Serve(func(io *socket.Server) {
			io.Use(pass)
			handlers(io)
		}))
	}
}

// startUpgrade opens a session over long-polling and the WebSocket of its
// upgrade.
func startUpgrade(s *siotest.Server) (sid string, c *websocket.Conn, err error) {
	res, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling")
	if err != nil {
		return "", nil, err
	}
	open, _ := io.ReadAll(res.Body)
	res.Body.Close()
	_, rest, _ := strings.Cut(string(open), `"sid":"`)
	sid, _, _ = strings.Cut(rest, `"`)
	c, _, err = websocket.DefaultDialer.Dial("ws"+s.URL[4:]+siotest.Path+"?EIO=4&transport=websocket&sid="+sid, nil)
	return sid, c, err
}

// closeSession sends CLOSE over long-polling.
func closeSession(s *siotest.Server, sid string) {
	res, err := http.Post(s.URL+siotest.Path+"?EIO=4&transport=polling&sid="+sid, "text/plain", strings.NewReader("1"))
	if err == nil {
		res.Body.Close()
	}
}

// besiege runs attack on upgrades by several clients for a while, and expects the server
// process to survive.
func besiege(t *testing.T, name string, attack func(s *siotest.Server, i int, sid string, c *websocket.Conn)) {
	t.Parallel()
	span := 8 * time.Second
	if testing.Short() {
		span = 2 * time.Second
	}
	child := siotest.ChildProcess(t, name)
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := w; child.Alive() && time.Now().Before(end); i++ {
				if sid, c, err := startUpgrade(child.Server()); err == nil {
					attack(child.Server(), i, sid, c)
					c.Close()
				}
			}
		})
	}
	wg.Wait()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if c, err := child.Server().Open(t, siotest.Dial{}); err != nil {
		t.Fatalf("the process has ended: %v\n%.3000s", err, child.Stderr())
	} else {
		c.Connect("/", nil)
		c.Connected(t)
		c.EmitAck(t, "ping")
	}
}

// The host answers a probe on one goroutine, and reads the end of the connection after it
// on another.
func TestUpgradeProbeAndClose(t *testing.T) {
	ends := [][]byte{{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}, {0xff, 0xff, 0, 0}} // a close frame, and an invalid one
	besiege(t, "wrapped", func(_ *siotest.Server, i int, _ string, c *websocket.Conn) {
		_, _ = c.NetConn().Write(slices.Concat(bytes.Repeat(probeFrame, 1+i%12), ends[i%2]))
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		for err := error(nil); err == nil; {
			_, _, err = c.ReadMessage()
		}
	})
}

// The session ends as the host's timer ends its upgrade.
func TestUpgradeTimer(t *testing.T) {
	besiege(t, "short upgrade", func(s *siotest.Server, i int, sid string, _ *websocket.Conn) {
		<-time.After(20*time.Millisecond - 600*time.Microsecond + time.Duration(i*7%60)*10*time.Microsecond)
		closeSession(s, sid)
	})
}

// An upgrade that the engine refuses does not block another.
func TestUpgradeAfterBadOne(t *testing.T) {
	t.Parallel()
	s := serve(t, handlers)
	c := s.Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
	req, _ := http.NewRequest("GET", s.URL+siotest.Path+"?EIO=4&transport=websocket&sid="+c.SID, nil)
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}} // no key
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || res.StatusCode != 400 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	c.Upgrade(t)
	c.EmitAck(t, "ping")
}

// Nor does a body that is refused before the engine has seen that this is not an upgrade.
func TestUpgradeAfterBadBody(t *testing.T) {
	t.Parallel()
	s := serve(t, handlers)
	c := s.Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
	res, body := request(t, "POST", s.URL+siotest.Path+"?EIO=4&transport=polling&sid="+c.SID, strings.NewReader("4"),
		http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Content-Type": {"application/octet-stream"}})
	if res.StatusCode != http.StatusBadRequest {
		t.Fatal(res.Status, body)
	}
	c.Upgrade(t)
	c.EmitAck(t, "ping")
}

func TestGoneAfterUpgrade(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan error, 1)
	s := serve(t, func(io *socket.Server) {
		_ = io.On("connection", func(...any) {})
		io.Of("/slow", nil).Use(wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			close(entered)
			<-ctx.Done()
			left <- ctx.Err()
			return nil
		}))
	})
	c := s.Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
	c.Upgrade(t)
	c.Connect("/slow", nil)
	<-entered
	c.Kill()
	select {
	case err := <-left:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("not told that the client has left")
	}
}

// A poll that arrives as its session ends is answered, if not by the host.
func TestPollAtTheEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 40 {
				res, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling")
				if err != nil {
					t.Error(err)
					return
				}
				open, _ := io.ReadAll(res.Body)
				res.Body.Close()
				_, rest, _ := strings.Cut(string(open), `"sid":"`)
				sid, _, _ := strings.Cut(rest, `"`)
				polled := make(chan error, 1)
				go func() {
					for status := 200; status == 200; {
						res, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling&sid=" + sid)
						if err != nil {
							polled <- err
							return
						}
						status = res.StatusCode
						res.Body.Close()
					}
					polled <- nil
				}()
				closeSession(s, sid)
				select {
				case err := <-polled:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(15 * time.Second): // pings end a session after 45
					t.Error("a poll is left without an answer")
					return
				}
			}
		})
	}
	wg.Wait()
}
