package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Called concurrently: one kick, reported once.
func TestKickOnce(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s, root, _ := sockets(t, pass)
		c := s.Dial(t, d)
		c.Connected(t)
		sock := <-root
		var disconnects atomic.Int32
		_ = sock.On("disconnect", func(...any) { disconnects.Add(1); wrap.Kick(sock, revoked()) })
		errs := make([]*wrap.Error, 32)
		var wg sync.WaitGroup
		for i := range errs {
			errs[i] = revoked()
			wg.Go(func() { wrap.Kick(sock, errs[i]) })
		}
		wg.Wait()
		kickedWith(t, c, "/")
		c.NoPacket(t, 20*time.Millisecond)
		var got *wrap.Error
		if !errors.As(context.Cause(wrap.Context(sock)), &got) || disconnects.Load() != 1 {
			t.Errorf("error %v, %d disconnects", got, disconnects.Load())
		}
	})
}

// Whenever a kick hits a socket that is connecting, the client is told, and may come back
// over the same connection.
func TestKickWhileConnecting(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var n atomic.Int32
		s, _, _ := sockets(t, wrap.Func(func(_ context.Context, s *socket.Socket) error {
			switch i := n.Add(1); i % 3 {
			case 0:
				go wrap.Kick(s, revoked())
			case 1:
				time.AfterFunc(time.Duration(i)*5*time.Microsecond, func() { wrap.Kick(s, revoked()) })
			case 2:
				_ = s.Nsp().On("connect", func(args ...any) { // before the handlers
					if args[0] == s {
						go wrap.Kick(s, revoked())
					}
				})
			}
			return nil
		}))
		c, err := s.Open(t, d)
		if err != nil {
			t.Fatal(err)
		}
		if d.EIO != 3 {
			c.Connect("/", nil)
		}
		for range wrap.Refusals {
			p := c.Next(t)
			if p.Type == siotest.TypeConnect {
				kickedWith(t, c, "/")
			} else if p.Type != siotest.TypeConnectError {
				t.Fatalf("got %s", p)
			}
			c.Connect("/", nil)
		}
	})
}

// A client that comes back at once does not lose its connection, although the
// host still knows the socket while its listeners run.
func TestKickBackAtOnce(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s, root, _ := sockets(t, pass)
		c := s.Dial(t, d)
		c.Connected(t)
		sock := <-root
		release, done := make(chan struct{}), make(chan struct{})
		_ = sock.On("disconnecting", func(...any) { <-release })
		go func() { defer close(done); wrap.Kick(sock, revoked()) }()
		kickedWith(t, c, "/")
		c.Connect("/", nil)
		time.AfterFunc(50*time.Millisecond, func() { close(release) })
		c.Connected(t)
		<-done
	})
}

func TestKickGone(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s, root, _ := sockets(t, pass)
		c := s.Dial(t, d)
		c.Connected(t)
		sock := <-root
		c.Close()
		<-wrap.Context(sock).Done()
		wrap.Kick(sock, revoked())
		wrap.Kick(sock, nil)
		if e := (*wrap.Error)(nil); errors.As(context.Cause(wrap.Context(sock)), &e) {
			t.Error("the cause of a socket that had gone changed")
		}
	})
}

// Kick may be called wherever the application handles the socket.
func TestKickFrom(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"connection handler", "event handler", "packet middleware", "AfterFunc", "nil"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				session, logout := context.WithCancel(context.Background())
				t.Cleanup(logout)
				s := serve(t, func(io *socket.Server) {
					io.Use(wrap.Packet(func(_ context.Context, s *socket.Socket, p *wrap.Event) error {
						if from == "packet middleware" {
							wrap.Kick(s, revoked())
						}
						return nil
					}))
					_ = io.On("connection", func(args ...any) {
						s := args[0].(*socket.Socket)
						context.AfterFunc(session, func() { wrap.Kick(s, revoked()) })
						_ = s.On("x", func(...any) {
							switch from {
							case "event handler":
								wrap.Kick(s, revoked())
							case "AfterFunc":
								logout()
							case "nil":
								wrap.Kick(s, nil)
							case "packet middleware":
								t.Error("the event went on")
							}
						})
						if from == "connection handler" {
							wrap.Kick(s, revoked())
						}
					})
				})
				c := s.Dial(t, d)
				c.Connected(t)
				if from != "connection handler" {
					c.Emit("x")
				}
				if from == "nil" {
					p := c.NextEvent(t, "kicked")
					if got := fmt.Sprint(p.Args()); got != "[map[code:internal message:Internal error retryable:false]]" {
						t.Error(got)
					}
					return
				}
				kickedWith(t, c, "/")
			})
		})
	}
}

// Listeners that panic end neither the process nor the kick.
func TestKickPanics(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"disconnecting", "disconnect"} {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				s, root, _ := sockets(t, pass)
				c := s.Dial(t, d)
				c.Connected(t)
				sock := <-root
				sock.Join("room")
				_ = sock.On(event, func(...any) { panic("oops") })
				e := revoked()
				wrap.Kick(sock, e)
				endedBy(t, sock, e, "server namespace disconnect")
				if sock.Connected() || sock.Rooms().Len() != 0 || s.IO.Sockets().Sockets().Len() != 0 {
					t.Error("still connected")
				}
				kickedWith(t, c, "/")
				c.AwaitDone(t)
			})
		})
	}
}

// State recovery keeps nothing of a kicked socket, and its adapter never sees the event,
// which it would store and send again.
func TestKickRecovery(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, recovery := recovering(nil)
			root := make(chan *socket.Socket, 1)
			s := siotest.Config{
				Options: wrap.Harden(o),
				Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
			}.NewServer(t, func(io *socket.Server) {
				io.Use(pass)
				_ = io.On("connection", func(args ...any) { root <- args[0].(*socket.Socket) })
			})
			c := s.Dial(t, d)
			c.Connected(t)
			wrap.Kick(<-root, revoked())
			kickedWith(t, c, "/")
			c.AwaitDone(t)
			recovery.States.Range(func(pid, _ any) bool {
				t.Error("stored:", pid)
				return false
			})
		})
	}
}

// Flags that the application has set for an event of its own are left alone.
func TestKickLeavesFlags(t *testing.T) {
	t.Parallel()
	s, root, _ := sockets(t, pass)
	c := s.Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
	sock := <-root
	for range 3 { // the transport is not writable meanwhile: volatile events get lost
		_ = sock.Emit("filler")
	}
	sock.Volatile()
	wrap.Kick(sock, revoked())
	if got := fmt.Sprint(c.NextEvent(t, "kicked").Args()); got != "["+toldRevoked+"]" {
		t.Error(got)
	}
}

// TestKickUnread: a client that does not fetch what it is told cannot keep its connection
// longer that way. The host would wait for it until the ping timeout.
func TestKickUnread(t *testing.T) {
	t.Parallel()
	s := kicking(t)
	connected := make(chan struct{})
	_ = s.IO.On("connection", func(...any) { close(connected) })
	sid, ws, err := startUpgrade(s) // a session over long-polling that nobody polls
	if err != nil {
		t.Fatal(err)
	}
	ws.Close()
	for _, packet := range []string{"40", `42["leave"]`} {
		res, err := http.Post(s.URL+siotest.Path+"?EIO=4&transport=polling&sid="+sid, "text/plain", strings.NewReader(packet))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if packet == "40" {
			<-connected // the host drops what comes before the client can know of it
		}
	}
	siotest.Eventually(t, "the session has ended", func() bool { return s.IO.Engine().ClientsCount() == 0 })
}
