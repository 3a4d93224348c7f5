//go:build linux

package soak

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// step is what a client sends, and what it then waits for.
type step struct {
	conn int // which of its connections
	send func(sid string) string
	want string
}

// plain is a request without a connection of its own.
func plain(host, method, query, body string, header ...string) string {
	text := method + " /socket.io/?EIO=4&" + query + " HTTP/1.1\r\nHost: " + host + "\r\n"
	if method == "POST" {
		text += fmt.Sprintf("Content-Type: text/plain\r\nContent-Length: %d\r\n", len(body))
	}
	for _, h := range header {
		text += h + "\r\n"
	}
	return text + "\r\n" + body
}

// scripts are clients that connect, join a room and leave.
func scripts(host, user string) map[string][]step {
	always := func(text string) func(string) string { return func(string) string { return text } }
	connect := `40{"token":"` + token("torn "+user, 80*time.Second) + `"}`
	get := func(sid string) string { return plain(host, "GET", "transport=polling&sid="+sid, "") }
	post := func(text string) func(string) string {
		return func(sid string) string { return plain(host, "POST", "transport=polling&sid="+sid, text) }
	}
	polling := []step{
		{0, always(plain(host, "GET", "transport=polling", "")), `"sid":"`},
		{0, post(connect), "ok"},
		{0, get, "40{"},
	}
	return map[string][]step{
		"websocket": {
			{0, always(plain(host, "GET", "transport=websocket", "", handshake...)), `"sid":"`},
			{0, always(string(frame(connect))), "40{"},
			{0, always(string(frame(`420["join","r0"]`))), "430["},
			{0, always(string(frame("41"))), ""},
		},
		"polling": append(polling[:3:3],
			step{0, post(`420["join","r0"]`), "ok"},
			step{0, get, "430["},
			step{0, post("1"), "ok"},
		),
		"upgrade": append(polling[:3:3],
			step{1, func(sid string) string {
				return plain(host, "GET", "transport=websocket&sid="+sid, "", handshake...)
			}, "\r\n\r\n"},
			step{1, always(string(frame("2probe"))), "3probe"},
			step{1, always(string(frame("5"))), ""},
			step{1, always(string(frame(`420["join","r0"]`))), "430["},
		),
	}
}

// TestCut makes clients vanish after each byte of a script, with a FIN or a reset of
// their connections.
func TestCut(t *testing.T) {
	t.Parallel()
	child := siotest.ChildProcess(t, "server")
	start := look(t, child)
	host := strings.TrimPrefix(child.URL, "http://")
	all := scripts(host, "")
	var running sync.WaitGroup
	n := 0
	for _, kind := range []string{"websocket", "polling", "upgrade"} {
		for at, s := range all[kind] {
			// The first steps of an upgrade are those of polling.
			if kind == "upgrade" && s.conn == 0 {
				continue
			}
			for _, reset := range []bool{false, true} {
				n++
				from := net.IPv4(127, 3, byte(n), 1)
				steps := scripts(host, fmt.Sprint(n))[kind]
				running.Go(func() {
					// All session IDs have the same length.
					size := len(steps[at].send("AAAAAAAAAAAAAAAAAAAA"))
					every := 1
					if testing.Short() {
						every = 5
					}
					for cut := 0; cut <= size; cut += every {
						from[len(from)-1] = byte(1 + cut/50) // an address may have only so many
						if err := vanishAt(host, net.IP(bytes.Clone(from)), steps, at, cut, reset); err != nil {
							t.Errorf("%s, step %d, byte %d: %v", kind, at, cut, err)
							return
						}
					}
				})
			}
		}
	}
	running.Wait()
	end := settle(t, child, &start, n*1000, func() map[string]int { return nil })
	t.Logf("%+v", end.stats)
	check(t, child, end)
}

// vanishAt performs the steps before at, sends cut bytes of that one, and vanishes.
func vanishAt(host string, from net.IP, steps []step, at, cut int, reset bool) error {
	var conns [2]net.Conn
	defer func() {
		for _, c := range conns {
			if c == nil {
				continue
			}
			if reset {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
		}
	}()
	sid := ""
	for i, s := range steps[:at+1] {
		if conns[s.conn] == nil {
			d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from}}
			c, err := d.Dial("tcp", host)
			if err != nil {
				return err
			}
			conns[s.conn] = c
		}
		text := s.send(sid)
		if i == at {
			_, err := conns[s.conn].Write([]byte(text[:min(cut, len(text))]))
			return err
		}
		got, err := perform(conns[s.conn], text, s)
		if err != nil {
			return fmt.Errorf("step %d: %w; got %q", i, err, got)
		}
		if sid == "" {
			_, rest, _ := strings.Cut(got, `"sid":"`)
			sid, _, _ = strings.Cut(rest, `"`)
		}
	}
	return nil
}

// perform sends text and waits for the answer. A poll may return something else first,
// such as a ping, and is then repeated.
func perform(c net.Conn, text string, s step) (string, error) {
	poll := strings.HasPrefix(text, "GET ") && strings.Contains(text, "transport=polling&sid=")
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for {
		if _, err := c.Write([]byte(text)); err != nil {
			return "", err
		}
		if !poll {
			return readUntil(c, s.want)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(body), s.want) {
			return string(body), errors.Join(err, unlessOK(resp.StatusCode))
		}
	}
}

func unlessOK(status int) error {
	if status != http.StatusOK {
		return fmt.Errorf("status %d", status)
	}
	return nil
}

// readUntil reads until want has arrived.
func readUntil(c net.Conn, want string) (string, error) {
	var got []byte
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for part := make([]byte, 4096); !strings.Contains(string(got), want) || want == `"sid":"` && !bytes.Contains(got, []byte("}")); {
		n, err := c.Read(part)
		got = append(got, part[:n]...)
		if err != nil {
			return string(got), err
		}
	}
	return string(got), nil
}
