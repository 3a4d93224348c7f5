//go:build linux

package soak

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// hostile are the acts of clients that violate the protocol, or vanish.
func hostile() []act {
	return []act{
		{"flood", 2, flood},
		{"odd packets", 6, odd},
		{"odd requests", 4, oddRequests},
		{"vanish", 6, vanish},
		{"silent", 3, silent},
		{"silent WebSocket", 3, silentWebSocket},
		{"torn upgrade", 2, tornUpgrade},
		{"torn requests", 4, torn},
		{"questions", 2, questions},
	}
}

// flood sends far more than is allowed.
func flood(c *client) {
	o := c.enter(c.dial())
	size := []int{1, 100, 5000}[c.draw.IntN(3)]
	for range 50 + c.draw.IntN(400) {
		select {
		case <-o.Done():
			return
		default:
			o.Emit("echo", strings.Repeat("y", size))
		}
	}
	c.pause(300 * time.Millisecond)
}

// packets are odd packets.
var packets = []string{
	"", "4", "42", "43", "43[]", "40", "41", "44", "45", "46", "47", "48", "49", "2", "3", "5", "6", "7", "b", "bAAA", "9",
	`42"x"`, "42{}", "42[]", "42[1]", "42[null]", `42["echo"`, `42["echo",`, `42["connect"]`, `42["disconnect"]`, `42["disconnecting"]`,
	`42/nowhere,["echo"]`, `42/admin,["echo"]`, `42/table-1,1["echo"]`, "40/nowhere,", "40/table-9,{}", `40{"token":1}`, "40[]", `40"x"`,
	`421["boom"]`, `42["boom"]`, `42["error","x"]`, `42["newListener"]`, `4299999999999999999999["echo"]`, `42-1["echo"]`,
	`450-["echo"]`, `451-["echo"]`, `451-["echo",{"_placeholder":true,"num":0}]`, `451-["echo",{"_placeholder":true,"num":9}]`,
	`459999-["echo"]`, `45["echo"]`, `452-["echo",{"_placeholder":true,"num":-1},{"_placeholder":true}]`, `461-7[{"_placeholder":true,"num":0}]`,
	`437["wrong"]`, `43999["wrong"]`, `43"x"`, `43{"a":1}`, `431`, `42["echo",` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "]",
	`42["` + strings.Repeat("n", 3000) + `"]`, "42[\"\xff\xfe\"]", `42["echo",1e999]`, `42["auth:refresh"]`, `421["auth:refresh",{"token":1}]`,
	`421["auth:refresh","x"]`, `42["join",7]`, `42["kicked"]`, "1", "0", "0{}", "2probe", "3probe",
}

// odd sends packets that no official client would.
func odd(c *client) {
	d := c.dial()
	d.NoConnect = c.draw.IntN(4) == 0
	o := c.open(d)
	if !d.NoConnect {
		o.Connected(c.crew.tb)
	}
	for range 1 + c.draw.IntN(6) {
		switch c.draw.IntN(12) {
		case 0:
			o.SendBinary([]byte{0, 1, 2})
		case 1:
			o.Send(`42["echo","` + strings.Repeat("z", c.draw.IntN(2*maxBody)) + `"]`)
		default:
			o.Send(packets[c.draw.IntN(len(packets))])
		}
		c.pause(20 * time.Millisecond)
	}
	c.pause(100 * time.Millisecond)
}

// questions receives events that want an ack, and answers wrongly, twice, or not at all.
func questions(c *client) {
	o := c.enter(c.dial())
	for range 1 + c.draw.IntN(5) {
		c.ask(o, "ask")
		p := o.NextEvent(c.crew.tb, "question")
		switch c.draw.IntN(4) {
		case 0:
			o.Ack(p, "fine")
			o.Ack(p, "again")
		case 1:
			o.Send(fmt.Sprintf("43%d[\"wrong\"]", c.draw.IntN(100)))
		case 2:
			o.Send(fmt.Sprintf("461-%d[{\"_placeholder\":true,\"num\":0}]", *p.ID))
			o.SendBinary([]byte("bytes"))
		}
	}
}

// vanish drops the connection at some point after the handshake.
func vanish(c *client) {
	d := c.dial()
	d.NoConnect = c.draw.IntN(3) == 0
	o := c.open(d)
	if c.draw.IntN(2) == 0 {
		o.Emit("join", c.room())
	}
	if c.draw.IntN(2) == 0 {
		c.pause(20 * time.Millisecond)
	}
	if d.Polling && c.draw.IntN(3) == 0 {
		o.Send("1")
	}
	o.Kill()
}

// request sends an HTTP request over a connection of its own, and returns that.
func (c *client) request(method, query, body string, header ...string) (net.Conn, *http.Response) {
	conn := c.connect()
	var b strings.Builder
	fmt.Fprintf(&b, "%s /socket.io/?%s HTTP/1.1\r\nHost: %s\r\n", method, query, strings.TrimPrefix(c.crew.child.URL, "http://"))
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\nContent-Type: text/plain\r\n", len(body))
	}
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n" + body)
	_, _ = conn.Write([]byte(b.String()))
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		runtime.Goexit()
	}
	return conn, resp
}

// connect opens a TCP connection.
func (c *client) connect() net.Conn {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
	conn, err := d.Dial("tcp", strings.TrimPrefix(c.crew.child.URL, "http://"))
	if err != nil {
		runtime.Goexit()
	}
	c.conns = append(c.conns, conn)
	return conn
}

// keep leaves conn open after the act, with nobody at the other end.
func (c *client) keep(conn net.Conn, why string) {
	for i, mine := range c.conns {
		if mine == conn {
			c.conns = append(c.conns[:i], c.conns[i+1:]...)
			c.crew.hold(conn, why)
			return
		}
	}
}

// silent opens a session by polling and then stops. The connection stays open.
func silent(c *client) {
	conn, resp := c.request("GET", "EIO=4&transport=polling", "")
	c.keep(conn, "a handshake of polling")
	body := make([]byte, 4096)
	n, _ := resp.Body.Read(body)
	_, rest, _ := strings.Cut(string(body[:n]), `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok || c.draw.IntN(3) == 0 {
		return
	}
	query := "EIO=4&transport=polling&sid=" + url.QueryEscape(sid)
	conn, _ = c.request("POST", query, `40{"token":"`+c.token()+`"}`)
	c.keep(conn, "a POST")
	if c.draw.IntN(2) == 0 {
		conn, _ = c.request("GET", query, "")
		c.keep(conn, "a poll")
	}
}

// handshake is the request of a WebSocket.
var handshake = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}

// frame is a text frame of a client, whose mask is zero.
func frame(text string) []byte {
	head := []byte{0x81, byte(0x80 | len(text)), 0, 0, 0, 0}
	if len(text) > 125 {
		head = []byte{0x81, 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0}
	}
	return append(head, text...)
}

// silentWebSocket answers no ping, and does not notice that it has been kicked.
func silentWebSocket(c *client) {
	conn, resp := c.request("GET", "EIO=4&transport=websocket", "", handshake...)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	if c.draw.IntN(3) > 0 {
		_, _ = conn.Write(frame(`40{"token":"` + c.token() + `"}`))
	}
	if c.draw.IntN(2) == 0 {
		_, _ = conn.Write(frame(`42["join","r1"]`))
	}
	what := "a WebSocket"
	if c.draw.IntN(2) == 0 { // half of a frame
		text := frame(`42["echo","half"]`)
		cut := c.draw.IntN(len(text))
		_, _ = conn.Write(text[:cut])
		what = fmt.Sprintf("a WebSocket, %d bytes of a frame", cut)
	}
	c.keep(conn, what)
}

// tornUpgrade leaves during an upgrade.
func tornUpgrade(c *client) {
	d := c.dial()
	d.Polling, d.EIO, d.Header = true, 0, nil
	d.Auth = map[string]any{"token": c.token()}
	o := c.enter(d)
	c.crew.heavy.Add(1)
	conn, resp := c.request("GET", "EIO=4&transport=websocket&sid="+url.QueryEscape(o.SID), "", handshake...)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	frames := []string{"2probe", "5", `42["echo"]`}[:c.draw.IntN(4)]
	for _, text := range frames {
		_, _ = conn.Write(frame(text))
		c.pause(10 * time.Millisecond)
	}
	switch c.draw.IntN(3) {
	case 0:
		_ = conn.Close()
	case 1:
		o.Kill()
	case 2:
		c.keep(conn, fmt.Sprintf("an upgrade after %q", frames))
	}
	c.pause(100 * time.Millisecond)
}

// torn sends part of a request, or half of a body, and leaves or falls silent.
func torn(c *client) {
	o := c.open(siotest.Dial{From: c.from, Polling: true, Auth: map[string]any{"token": c.token()}})
	query := "EIO=4&transport=polling&sid=" + url.QueryEscape(o.SID)
	host := strings.TrimPrefix(c.crew.child.URL, "http://")
	whole := []string{
		"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(handshake, "\r\n") + "\r\n\r\n",
		"POST /socket.io/?" + query + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 16\r\n\r\n42[\"echo\",\"half\"]",
		"POST /socket.io/?" + query + " HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n42[\"echo\",\"half\"\r\n0\r\n\r\n",
	}[c.draw.IntN(4)]
	conn := c.connect()
	cut := c.draw.IntN(len(whole) + 1)
	_, _ = conn.Write([]byte(whole[:cut]))
	c.pause(50 * time.Millisecond)
	switch c.draw.IntN(3) {
	case 0:
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset
	case 1:
		c.keep(conn, fmt.Sprintf("%d of %d bytes of %.50q", cut, len(whole), whole))
	}
}

// oddRequests sends requests that no official client makes.
func oddRequests(c *client) {
	d := c.dial()
	d.Polling, d.EIO, d.Header = true, 0, nil
	d.Auth = map[string]any{"token": c.token()}
	o := c.open(d)
	sid := "&sid=" + url.QueryEscape(o.SID)
	for range 1 + c.draw.IntN(3) {
		switch c.draw.IntN(9) {
		case 0: // overlaps the poll
			c.request("GET", "EIO=4&transport=polling"+sid, "")
		case 1:
			c.request("POST", "EIO=4&transport=polling"+sid, packets[1+c.draw.IntN(len(packets)-1)])
		case 2:
			c.request("POST", "EIO=4&transport=polling"+sid, "1")
		case 3:
			c.request("GET", "EIO=4&transport=polling&sid=unknown", "")
		case 4:
			c.request("PUT", "EIO=4&transport=polling"+sid, "x")
		case 5:
			c.request("GET", "EIO=3&transport=websocket"+sid, "", handshake...)
		case 6:
			c.request("POST", "EIO=4&transport=polling"+sid, strings.Repeat("4", 2*maxBody))
		case 7:
			c.request("GET", "EIO=4&transport=polling"+sid+"&sid=", "")
		case 8:
			c.request("GET", "EIO=4&transport=websocket"+sid, "")
		}
	}
}
