//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/siotest"
)

// crew are the clients whose success does not matter. Each has an address of its own.
type crew struct {
	child *siotest.Child
	tb    testing.TB // one for all: the kit keeps a list for each
	seed  uint64
	acts  []act
	heavy atomic.Int64 // acts with an upgrade, many of which are aborted
	done  atomic.Int64

	mu   sync.Mutex
	held []held // of clients that have fallen silent
}

// act is something that clients do.
type act struct {
	name   string
	weight int
	do     func(c *client)
}

// numb is a TB whose tests never fail: a failure ends the act.
type numb struct{ testing.TB }

func (numb) Helper()               {}
func (numb) Errorf(string, ...any) {}
func (numb) Fatalf(string, ...any) { runtime.Goexit() }
func (numb) Fatal(...any)          { runtime.Goexit() }

// run lets n clients act until ctx is done.
func (w *crew) run(ctx context.Context, round uint64, n int) {
	var acts []*act
	for i := range w.acts {
		for range w.acts[i].weight {
			acts = append(acts, &w.acts[i])
		}
	}
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			draw := rand.New(rand.NewPCG(w.seed, round<<16|uint64(i)))
			for ctx.Err() == nil {
				w.play(ctx, acts[draw.IntN(len(acts))], draw, i)
			}
		})
	}
	running.Wait()
}

// play performs one act, and cleans up after it.
func (w *crew) play(ctx context.Context, a *act, draw *rand.Rand, i int) {
	c := &client{
		crew: w, ctx: ctx, draw: draw, from: fmt.Sprintf("127.1.0.%d", i+1),
		user: fmt.Sprintf("user-%d", i),
	}
	if draw.IntN(4) == 0 { // a user shared with others of the crew
		c.user = fmt.Sprintf("crowd-%d", draw.IntN(4))
	}
	over := make(chan struct{})
	go func() { // siotest ends the goroutine of an act
		defer close(over)
		defer c.end()
		a.do(c)
	}()
	<-over
	w.done.Add(1)
}

// held is a connection whose client has fallen silent.
type held struct {
	net.Conn
	why string
}

// hold keeps a connection whose client has fallen silent.
func (w *crew) hold(conn net.Conn, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, held{conn, why})
}

// open counts those that the server has not closed.
func (w *crew) open() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := make(map[string]int)
	for _, h := range w.held {
		_ = h.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := io.Copy(io.Discard, h); errors.Is(err, os.ErrDeadlineExceeded) {
			open[h.why]++
		}
	}
	return open
}

// release closes the connections of silent clients.
func (w *crew) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.held {
		_ = conn.Close()
	}
	w.held = nil
}

// client is a member of the crew during an act.
type client struct {
	crew *crew
	ctx  context.Context
	draw *rand.Rand
	from string
	user string

	opened []*siotest.Client
	conns  []net.Conn
}

// end drops what is open, mostly without a close.
func (c *client) end() {
	for _, o := range c.opened {
		if c.draw.IntN(3) == 0 {
			o.Close()
		} else {
			o.Kill()
		}
	}
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

// token makes a token that is valid for some seconds. Odd-numbered users named user-*
// have a login for each token, and so only one at a time.
func (c *client) token(more ...func(jwt.MapClaims)) string {
	return token(c.user, time.Duration(3+c.draw.IntN(4))*time.Second, append([]func(jwt.MapClaims){func(m jwt.MapClaims) {
		if c.user[len(c.user)-1]%2 == 1 {
			m["sid"] = m["jti"]
		}
	}}, more...)...)
}

var tokens atomic.Uint64

func token(user string, life time.Duration, more ...func(jwt.MapClaims)) string {
	id := fmt.Sprintf("token-%d", tokens.Add(1))
	claims := jwt.MapClaims{"sub": user, "jti": id, "sid": "login-" + user, "iat": time.Now().Unix(), "exp": time.Now().Add(life).Unix()}
	for _, f := range more {
		f(claims)
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		panic(err)
	}
	return signed
}

// dial is a Dial over some transport.
func (c *client) dial() siotest.Dial {
	d := siotest.Dial{From: c.from, Polling: c.draw.IntN(2) == 0, Auth: map[string]any{"token": c.token()}}
	if c.draw.IntN(4) == 0 {
		d.EIO = 3
		d.Auth = nil
		d.Header = http.Header{"Authorization": {"Bearer " + c.token()}}
	}
	return d
}

// open opens a session, or ends the act.
func (c *client) open(d siotest.Dial) *siotest.Client {
	o, ok := c.try(d)
	if !ok {
		runtime.Goexit()
	}
	return o
}

// try opens a session and sends CONNECT.
func (c *client) try(d siotest.Dial) (*siotest.Client, bool) {
	o, err := c.crew.child.Server().Open(c.crew.tb, d)
	if err != nil {
		return nil, false
	}
	c.opened = append(c.opened, o)
	if !d.NoConnect && (d.EIO != 3 || d.Namespace != "") {
		o.Connect(d.Namespace, d.Auth)
	}
	return o, true
}

// enter is open, and waits until the socket is connected.
func (c *client) enter(d siotest.Dial) *siotest.Client {
	o := c.open(d)
	o.Connected(c.crew.tb)
	return o
}

// pause waits for a moment of up to d, as clients do. It is not a wait for a condition.
func (c *client) pause(d time.Duration) {
	select {
	case <-time.After(time.Duration(c.draw.Int64N(int64(d) + 1))):
	case <-c.ctx.Done():
	}
}

// ask emits an event and waits for its answer, or ends the act.
func (c *client) ask(o *siotest.Client, event string, args ...any) any {
	got := o.EmitAck(c.crew.tb, event, args...).Args()
	if len(got) == 0 {
		return nil
	}
	return got[0]
}

func (c *client) room() string { return rooms[c.draw.IntN(len(rooms))] }
