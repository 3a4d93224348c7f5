package siotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Dial says how a client connects. The zero value is an Engine.IO 4 client on
// WebSocket that connects to "/".
type Dial struct {
	// Namespace is the namespace of CONNECT and of events; "" means "/".
	Namespace string
	// Auth is the payload of CONNECT; nil sends none. Engine.IO 3 has no such
	// payload: there an [url.Values] becomes the query of the namespace.
	Auth any
	// Header goes with every HTTP request of the client.
	Header http.Header
	// Query is added to the query of every request.
	Query url.Values
	// RawQuery is appended to the query verbatim, after an "&".
	RawQuery string
	// Polling selects long polling instead of WebSocket.
	Polling bool
	// EIO is the protocol revision, 4 when zero. 3 needs a server that
	// allows it.
	EIO int
	// NoConnect opens the Engine.IO session without sending CONNECT.
	NoConnect bool
	// NoPong leaves the PINGs of the server unanswered, and in Engine.IO 3
	// sends none, so that the session runs into its timeout.
	NoPong bool
	// Eager sends CONNECT right after OPEN, as clients do. Otherwise Dial waits until
	// the host listens to the session, because on WebSocket the bare host loses about
	// one in a thousand that comes sooner. With Engine.IO 3 it runs the middlewares of "/"
	// first: one that waits for the test needs Eager. No effect on a [Child], which is
	// not waited for.
	Eager bool
	// From is the local address of the connections, for instance
	// "127.0.0.2"; "" leaves the choice to the system.
	From string
}

// RefusedError reports a handshake the server did not accept.
type RefusedError struct {
	// Status is the status of the response; 101 when the WebSocket opened
	// and closed without an OPEN packet.
	Status int
	// Header is the header of the response.
	Header http.Header
	// Body is the body of the response, of a WebSocket response its first
	// 1024 bytes; with status 101 the reason of the closing.
	Body string
}

// Error describes the response.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("siotest: handshake refused: %d %.200q", e.Status, e.Body)
}

// Endpoint returns the URL of the handshake request of d.
func (s *Server) Endpoint(d Dial) string {
	return d.url(s.URL, "")
}

func (d Dial) eio() int {
	if d.EIO == 0 {
		return 4
	}
	return d.EIO
}

func (d Dial) namespace() string {
	if d.Namespace == "" {
		return "/"
	}
	return d.Namespace
}

// url builds the address of a request. sid comes last because the host takes
// the last value of a repeated parameter.
func (d Dial) url(base, sid string) string {
	var b strings.Builder
	b.WriteString(base + Path + "?EIO=" + strconv.Itoa(d.eio()))
	if d.Polling {
		b.WriteString("&transport=polling")
		if d.eio() == 3 {
			// Ask for text payloads: the binary payload of Engine.IO 3 has
			// nothing to test in this module.
			b.WriteString("&b64=1")
		}
	} else {
		b.WriteString("&transport=websocket")
	}
	if len(d.Query) > 0 {
		b.WriteString("&" + d.Query.Encode())
	}
	if d.RawQuery != "" {
		b.WriteString("&" + d.RawQuery)
	}
	if sid != "" {
		b.WriteString("&sid=" + url.QueryEscape(sid))
	}
	return b.String()
}

// netDialer honors From.
func (d Dial) netDialer() *net.Dialer {
	nd := &net.Dialer{Timeout: waitBound}
	if d.From != "" {
		nd.LocalAddr = &net.TCPAddr{IP: net.ParseIP(d.From)}
	}
	return nd
}

// Handshake performs only the WebSocket handshake of d and leaves everything
// else to the caller, who must close the connection. The error of a refusal is
// that of gorilla/websocket and the response is not nil then.
func (s *Server) Handshake(ctx context.Context, d Dial) (*websocket.Conn, *http.Response, error) {
	d.Polling = false
	return d.websocket(ctx, s, "")
}

func (d Dial) websocket(ctx context.Context, s *Server, sid string) (*websocket.Conn, *http.Response, error) {
	wd := websocket.Dialer{
		NetDialContext:   d.netDialer().DialContext,
		TLSClientConfig:  s.tls(),
		HandshakeTimeout: waitBound,
		ReadBufferSize:   1024,
		WriteBufferSize:  1024,
	}
	return wd.DialContext(ctx, "ws"+strings.TrimPrefix(d.url(s.URL, sid), "http"), d.Header.Clone())
}

// Open performs the Engine.IO handshake and sends no CONNECT. The error of a
// refusal is a [*RefusedError].
func (s *Server) Open(tb testing.TB, d Dial) (*Client, error) {
	tb.Helper()
	c := newClient(s, d)
	var err error
	if d.Polling {
		err = c.openPolling()
	} else {
		err = c.openWebSocket()
	}
	if err != nil {
		c.finish("handshake failed")
		return nil, err
	}
	if !s.adopt(tb, c) {
		c.Kill()
		return nil, errors.New("siotest: the test has ended")
	}
	return c, nil
}

// Dial opens a session and sends CONNECT. It ends the test when the handshake
// is refused; the answer to CONNECT is for the caller to read. An Engine.IO 3
// server connects every client to "/" by itself, so nothing is sent for "/" and
// the answer for another namespace comes in addition, before or after.
func (s *Server) Dial(tb testing.TB, d Dial) *Client {
	tb.Helper()
	c, err := s.Open(tb, d)
	if err != nil {
		tb.Fatalf("siotest: dial %s: %v", s.Endpoint(d), err)
	}
	if !d.Eager && s.IO != nil {
		s.settle(tb, c.SID, c.ended)
	}
	if d.NoConnect || (d.eio() == 3 && d.namespace() == "/") {
		return c
	}
	c.Connect(d.namespace(), d.Auth)
	return c
}

// Settle waits until the host listens to the session with this ID, for tests that
// open a WebSocket themselves: the host never learns of the end of one that closes sooner.
func (s *Server) Settle(tb testing.TB, sid string) {
	tb.Helper()
	s.settle(tb, sid, func() bool { return false })
}

func (s *Server) settle(tb testing.TB, sid string, ended func() bool) {
	tb.Helper()
	Eventually(tb, "the host listens to the session", func() bool {
		_, ok := s.ready.Load(sid)
		return ok || ended()
	})
}

// openWebSocket performs the handshake on WebSocket.
func (c *Client) openWebSocket() error {
	conn, resp, err := c.dial.websocket(c.ctx, c.server, "")
	if err != nil {
		if resp == nil {
			return err
		}
		body, _ := io.ReadAll(resp.Body)
		return &RefusedError{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	}
	_ = conn.SetReadDeadline(time.Now().Add(waitBound))
	_, data, err := conn.ReadMessage()
	if err != nil || !c.readOpen(string(data)) {
		_ = conn.Close()
		reason := string(data)
		if err != nil {
			reason = err.Error()
		}
		return &RefusedError{Status: resp.StatusCode, Header: resp.Header, Body: reason}
	}
	_ = conn.SetReadDeadline(time.Time{})
	c.Handshake = resp
	c.ws = conn
	c.start(func() { c.readWebSocket(conn) })
	c.startPings()
	return nil
}

// openPolling performs the handshake on long polling.
func (c *Client) openPolling() error {
	c.http = &http.Transport{
		DialContext:       c.dial.netDialer().DialContext,
		TLSClientConfig:   c.server.tls(),
		ForceAttemptHTTP2: true, // which DialContext and TLSClientConfig turn off
	}
	ctx, cancel := context.WithTimeout(c.ctx, waitBound)
	defer cancel()
	resp, body, err := c.request(ctx, http.MethodGet, "")
	if err != nil {
		return err
	}
	refused := &RefusedError{Status: resp.StatusCode, Header: resp.Header, Body: body}
	if resp.StatusCode != http.StatusOK {
		return refused
	}
	frames, err := decodePayload(c.dial.eio(), body)
	if err != nil || len(frames) == 0 || !c.readOpen(string(frames[0].data)) {
		return refused
	}
	c.Handshake = resp
	for _, f := range frames[1:] {
		c.receive(f)
	}
	c.start(c.poll)
	c.start(c.pump)
	c.startPings()
	return nil
}

// readOpen decodes the OPEN packet and tells whether it is one.
func (c *Client) readOpen(text string) bool {
	c.note(text)
	payload, ok := strings.CutPrefix(text, "0")
	if !ok || json.Unmarshal([]byte(payload), &c.Open) != nil {
		return false
	}
	c.SID, _ = c.Open["sid"].(string)
	return c.SID != ""
}
