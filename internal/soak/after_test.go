//go:build linux

package soak

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
)

// enter connects over WebSocket as somebody, and joins a room.
func enter(url, from, jwt string) (*socketTalk, error) {
	dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	web := websocket.Dialer{NetDialContext: dialer.DialContext, HandshakeTimeout: patience}
	conn, resp, err := web.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if resp != nil && resp.StatusCode == http.StatusTooManyRequests {
		return nil, errFull
	}
	if err != nil {
		return nil, err
	}
	t := &socketTalk{conn}
	for _, s := range [][2]string{{"", "0{"}, {`40{"token":"` + jwt + `"}`, "40{"}, {`420["join","r0"]`, "430["}} {
		if s[0] != "" {
			err = t.send(s[0])
		}
		if err == nil {
			_, err = await(t, s[1])
		}
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return t, nil
}

var errFull = fmt.Errorf("the address has too many connections")

// asAtFirst checks that earlier clients may do what a newcomer may, and that the metrics
// count them.
func asAtFirst(t *testing.T, url string) (entered int) {
	t.Helper()
	var open []*socketTalk
	defer func() {
		for _, o := range open {
			o.end()
		}
	}()
	in := func(from, jwt string) *socketTalk {
		t.Helper()
		o, err := enter(url, from, jwt)
		if err != nil {
			t.Fatalf("after the soak %s cannot connect: %v", from, err)
		}
		open = append(open, o)
		entered++
		return o
	}

	// An address has all of its slots back, and no more.
	for i := range 3 {
		from := fmt.Sprintf("127.1.0.%d", 1+i*7)
		for n := range maxSockets {
			in(from, token(fmt.Sprintf("late-%d-%d", i, n), 80*time.Second))
		}
		if o, err := enter(url, from, token("one too many", 80*time.Second)); err == nil {
			open = append(open, o)
			t.Errorf("%s has more than %d connections", from, maxSockets)
		}
	}

	// A user has all devices back.
	for n := range maxDevices {
		in(fmt.Sprintf("127.1.1.%d", n+1), token("user-0", 80*time.Second))
	}

	// A user with a single login has one, and the newer one replaces the older.
	login := func(name string, age int64) string {
		return token("user-1", 80*time.Second, func(m jwt.MapClaims) {
			m["sid"], m["iat"] = name, time.Now().Unix()-age
		})
	}
	older := in("127.1.1.9", login("older", 2))
	in("127.1.1.9", login("newer", 0))
	for {
		text, err := older.receive()
		if err != nil {
			t.Errorf("the older login is not told: %v", err)
			break
		}
		if text == "2" {
			_ = older.send("3")
		}
		if strings.HasPrefix(text, `42["kicked"`) {
			if !strings.Contains(text, `"replaced"`) {
				t.Errorf("the older login is told %s", text)
			}
			break
		}
	}
	return entered
}
