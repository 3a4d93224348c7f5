package wrap_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// rawFrame returns a frame of a client, whose mask changes nothing.
func rawFrame(kind byte, data string) string {
	return string([]byte{kind, 0x80 | byte(len(data)), 0, 0, 0, 0}) + data
}

// The first bytes of frames.
const (
	begin = 0x01 // the first of a message that goes on
	more  = 0x00
	last  = 0x80
	ping  = 0x89
)

// upgrading returns a server behind Handler.
func upgrading(t *testing.T) *siotest.Server {
	return siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.NewServer(t, func(io *socket.Server) { io.Use(pass) })
}

// A client, or a proxy, may split any message, and send pings in between (RFC 6455,
// section 5.4): those of an upgrade, too.
func TestUpgradeInFragments(t *testing.T) {
	t.Parallel()
	s := upgrading(t)
	for name, upgrade := range map[string]string{
		"halves":  rawFrame(begin, "2p") + rawFrame(last, "robe") + rawFrame(0x81, "5"),
		"letters": rawFrame(begin, "2") + rawFrame(more, "prob") + rawFrame(more, "") + rawFrame(last, "e") + rawFrame(begin, "5") + rawFrame(last, ""),
		"pings":   rawFrame(begin, "2p") + rawFrame(ping, "are you there") + rawFrame(last, "robe") + rawFrame(begin, "") + rawFrame(ping, "") + rawFrame(last, "5"),
	} {
		for _, at := range []int{1, 7, len(upgrade)} { // bytes in each write
			_, c, err := startUpgrade(s)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for rest := upgrade; rest != ""; {
				n := min(at, len(rest))
				if _, err := c.NetConn().Write([]byte(rest[:n])); err != nil {
					t.Fatal(name, err)
				}
				rest = rest[n:]
			}
			_ = c.WriteMessage(websocket.TextMessage, []byte("40"))
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			for _, want := range []string{"3probe", "40{"} {
				if _, got, err := c.ReadMessage(); err != nil || !strings.HasPrefix(string(got), want) {
					t.Fatalf("%s, %d bytes at a time: got %q, %v, want %s", name, at, got, err, want)
				}
			}
		}
	}
}

// Fragments must not be kept without bound, nor be anything but an upgrade.
func TestUpgradeInBadFragments(t *testing.T) {
	t.Parallel()
	s := upgrading(t)
	for name, upgrade := range map[string]string{
		"another text":     rawFrame(begin, "2p") + rawFrame(last, "lobe"),
		"too long":         rawFrame(begin, "2probe") + rawFrame(more, "s"),
		"text inside":      rawFrame(begin, "2p") + rawFrame(0x81, "5"),
		"none to continue": rawFrame(last, "5"),
		"binary":           rawFrame(0x02, "5"),
		"empty forever":    rawFrame(begin, "2") + strings.Repeat(rawFrame(more, ""), 1000),
		"pings forever":    rawFrame(begin, "2") + strings.Repeat(rawFrame(ping, "ping"), 1000),
		"compressed":       rawFrame(0x41, "5"),
		"compressed later": rawFrame(begin, "2p") + rawFrame(0xC1, "5"),
	} {
		_, c, err := startUpgrade(s)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.NetConn().Write([]byte(upgrade)) // may be refused meanwhile
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, got, err := c.ReadMessage(); err == nil || strings.Contains(err.Error(), "i/o timeout") {
			t.Errorf("%s: got %q, %v, want the end of the connection", name, got, err)
		}
	}
}
