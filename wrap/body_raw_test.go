package wrap_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// raw sends a request verbatim and returns the status line.
func raw(t *testing.T, s *siotest.Server, request string, bound time.Duration) string {
	t.Helper()
	c, err := net.Dial("tcp", s.URL[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(bound))
	_, _ = io.WriteString(c, request) // the server may close before it has read all
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// The engine upper-cases the method, and takes the last Content-Type.
func TestBodySpellings(t *testing.T) {
	t.Parallel()
	s := lengths(t)
	chunk := "186a0\r\n" + strings.Repeat("x", 100_000) + "\r\n"
	for name, tt := range map[string]struct {
		eio           int
		method, extra string
		body          string
		want          string
	}{
		"post, chunked and large": {4, "post", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", strings.Repeat(chunk, 20) + "0\r\n\r\n", "413"},
		"post, binary":            {4, "post", "Content-Type: application/octet-stream\r\nContent-Length: 4\r\n", "\x01\x01\xff4", "400"},
		"two types":               {4, "POST", "Content-Type: text/plain\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n", "\x01\x01\xff4", "400"},
		"too large and binary":    {4, "POST", "Content-Type: application/octet-stream\r\nContent-Length: 2000000\r\n", "", "4"},
		"EIO3, two types":         {3, "POST", "Content-Type: text/plain\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n", "\x00\x09\x09\x09\x09\x09\x09\x09\xff", "400"},
		"EIO3, post":              {3, "post", "Content-Type: application/octet-stream\r\nContent-Length: 9\r\n", "\x00\x09\x09\x09\x09\x09\x09\x09\xff", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.Dial(t, siotest.Dial{Polling: true, EIO: tt.eio})
			c.Connected(t)
			got := raw(t, s, fmt.Sprintf("%s %s?EIO=%d&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n%s\r\n%s", tt.method, siotest.Path, tt.eio, c.SID, tt.extra, tt.body), 3*time.Second)
			if !strings.Contains(got, " "+tt.want) {
				t.Errorf("%q, want %s", got, tt.want)
			}
		})
	}
}

// TestHalfBody: half a body occupies its handler no longer than a session lives without a
// heartbeat.
func TestHalfBody(t *testing.T) {
	t.Parallel()
	o := socket.DefaultServerOptions()
	o.SetPingInterval(300 * time.Millisecond)
	o.SetPingTimeout(300 * time.Millisecond)
	s := siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.NewServer(t, nil)
	for name, body := range map[string]string{"length": "Content-Length: 100\r\n\r\n42[", "chunked": "Transfer-Encoding: chunked\r\n\r\n3\r\n42[\r\n"} {
		c := s.Dial(t, siotest.Dial{Polling: true})
		c.Connected(t)
		head := fmt.Sprintf("POST %s?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n", siotest.Path, c.SID)
		if got := raw(t, s, head+body, 20*time.Second); !strings.Contains(got, " 408") {
			t.Errorf("%s: %q, want 408", name, got)
		}
	}
}
