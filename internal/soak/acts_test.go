//go:build linux

package soak

import (
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// acts are those of clients that speak the protocol.
func acts() []act {
	return []act{
		{"ordinary", 8, ordinary},
		{"upgrade", 4, upgrade},
		{"reconnect", 3, reconnect},
		{"refused", 6, refused},
		{"crowd", 2, crowd},
		{"devices", 2, devices},
		{"expire", 1, expire},
		{"put out", 4, putOut},
		{"sign out", 2, signOut},
		{"namespaces", 2, namespacesOf},
	}
}

// ordinary does what ordinary clients do.
func ordinary(c *client) {
	o := c.enter(c.dial())
	for range 1 + c.draw.IntN(12) {
		switch c.draw.IntN(9) {
		case 0, 1:
			c.ask(o, "echo", strings.Repeat("x", c.draw.IntN(2000)))
		case 2:
			c.ask(o, "join", c.room())
		case 3:
			c.ask(o, "leave", c.room())
		case 4:
			c.ask(o, "visit")
		case 5:
			c.ask(o, "away", c.draw.IntN(2) == 0)
		case 6:
			c.ask(o, "auth:refresh", c.token())
		case 7:
			o.Emit("shout", c.room())
		case 8:
			c.ask(o, "echo", []byte("some bytes"))
		}
		c.pause(50 * time.Millisecond)
	}
	if c.draw.IntN(2) == 0 {
		o.Disconnect("")
	}
	o.Close()
}

// upgrade moves to WebSocket.
func upgrade(c *client) {
	d := c.dial()
	d.Polling = true
	o := c.enter(d)
	c.crew.heavy.Add(1)
	o.Upgrade(c.crew.tb)
	c.ask(o, "join", c.room())
	for range c.draw.IntN(5) {
		c.ask(o, "echo", "up")
	}
	o.Close()
}

// reconnect comes back within the grace period, or a little later, without having said
// goodbye.
func reconnect(c *client) {
	for range 2 + c.draw.IntN(4) {
		d := c.dial()
		d.Polling = false
		o := c.enter(d)
		c.ask(o, "join", c.room())
		o.Kill()
		c.pause(grace)
	}
}

// refused is not let in, for one reason or another. Some then stay for a while.
func refused(c *client) {
	d := c.dial()
	auth := map[string]any{"token": c.token()}
	d.EIO, d.Header, d.Auth = 0, http.Header{}, auth
	switch c.draw.IntN(11) {
	case 0:
		auth["token"] = "no token"
	case 1:
		auth["token"] = c.token(func(m jwt.MapClaims) { m["exp"] = time.Now().Unix() - 5 })
	case 2:
		auth["token"] = c.token() + "x"
	case 3:
		delete(auth, "token")
	case 4:
		d.Header.Set("Origin", "https://evil.example")
	case 5:
		d.Namespace = "/nowhere"
	case 6:
		d.Namespace = "/admin"
	case 7:
		auth["mood"] = "panic"
	case 8:
		auth["mood"] = "refuse"
	case 9:
		auth["mood"] = "slow"
	case 10:
		d.EIO, d.Auth = 3, nil
		d.Header.Set("Authorization", "Bearer wrong")
	}
	o := c.open(d)
	for range c.draw.IntN(3) * c.draw.IntN(20) {
		o.Connect(d.Namespace, d.Auth)
	}
	c.pause(300 * time.Millisecond)
	if c.draw.IntN(3) == 0 {
		o.Connect("", map[string]any{"token": c.token()}) // better late than never
		o.Connected(c.crew.tb)
		c.ask(o, "echo", "in")
	}
}

// crowd opens more connections than an address may have.
func crowd(c *client) {
	for range maxSockets + 6 {
		d := c.dial()
		d.NoConnect = c.draw.IntN(4) == 0
		if o, ok := c.try(d); ok && c.draw.IntN(3) == 0 {
			o.Emit("join", c.room())
		}
	}
	c.pause(500 * time.Millisecond)
}

// devices opens more connections than one user may have; others of the crew may be the
// same user.
func devices(c *client) {
	c.user = "crowd-0"
	for range maxDevices + 3 {
		d := c.dial()
		if o, ok := c.try(d); ok {
			o.Emit("join", c.room())
		}
		c.pause(20 * time.Millisecond)
	}
	if n := len(c.opened); n > 0 {
		o := c.opened[n-1]
		c.ask(o, "kick-others")
		c.ask(o, "echo", "alone")
	}
}

// expire stays for longer than its token is valid, or refreshes it once.
func expire(c *client) {
	d := c.dial()
	life := func() string { return token(c.user, 2*time.Second) }
	if d.EIO == 3 {
		d.Header = http.Header{"Authorization": {"Bearer " + life()}}
	} else {
		d.Auth = map[string]any{"token": life()}
	}
	o := c.enter(d)
	c.ask(o, "join", c.room())
	if c.draw.IntN(2) == 0 {
		c.ask(o, "auth:refresh", life())
	}
	select {
	case <-o.Done():
	case <-time.After(3 * time.Second):
	case <-c.ctx.Done():
	}
}

// putOut is kicked by the server.
func putOut(c *client) {
	o := c.enter(c.dial())
	c.ask(o, "join", c.room())
	how := []string{"kick-me", "drop-me", "put-out", "revoke", "kick-others", "renew", "sign-out"}
	o.Emit(how[c.draw.IntN(len(how))], c.draw.IntN(2) == 0)
	for range c.draw.IntN(4) {
		o.Emit("echo", "still here")
	}
	c.pause(300 * time.Millisecond)
	if c.draw.IntN(2) == 0 {
		o.Connect("", map[string]any{"token": c.token()})
		c.pause(100 * time.Millisecond)
	}
}

// signOut ends the session by HTTP, while sockets use it.
func signOut(c *client) {
	first := c.enter(c.dial())
	cookie, _, _ := strings.Cut(first.Handshake.Header.Get("Set-Cookie"), ";")
	d := c.dial()
	if d.Header == nil {
		d.Header = http.Header{}
	}
	d.Header.Set("Cookie", cookie)
	if d.EIO != 3 { // the handshake has the token of Engine.IO 3
		d.Auth = map[string]any{"token": c.token()}
	}
	second := c.enter(d)
	c.ask(second, "visit")
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.crew.child.URL+"/logout", nil)
	if err != nil {
		return
	}
	r.Header.Set("Cookie", cookie)
	transport := &http.Transport{DisableKeepAlives: true}
	if resp, err := transport.RoundTrip(r); err == nil {
		_ = resp.Body.Close()
	}
	c.ask(second, "visit")
	c.pause(100 * time.Millisecond)
}

// namespacesOf joins several namespaces over one connection, and leaves some.
func namespacesOf(c *client) {
	d := c.dial()
	d.EIO, d.Header = 0, nil
	d.Auth = map[string]any{"token": c.token()}
	o := c.enter(d)
	all := []string{"/table-0", "/table-1", "/table-2", "/table-3", "/table-4", "/admin", "/table-5"}
	for range 1 + c.draw.IntN(6) {
		nsp := all[c.draw.IntN(len(all))]
		o.Connect(nsp, d.Auth)
		o.EmitTo(nsp, "join", c.room())
		c.pause(50 * time.Millisecond)
		if c.draw.IntN(2) == 0 {
			o.Disconnect(nsp)
		}
		if c.draw.IntN(6) == 0 {
			o.Disconnect("")
		}
	}
	c.pause(100 * time.Millisecond)
}
