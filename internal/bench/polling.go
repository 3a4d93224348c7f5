package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// openPolling does a whole handshake over long-polling, on one TCP connection: OPEN, the
// POST of CONNECT, and the poll that answers it.
func openPolling(addr string, id *identity, deadline time.Time) (*client, string, error) {
	c, err := dial(addr, deadline)
	if err != nil {
		return nil, "", err
	}
	sid, err := c.connectPolling(addr, id)
	if err != nil {
		c.close()
		return nil, "", err
	}
	return c, sid, nil
}

func (c *client) connectPolling(addr string, id *identity) (sid string, err error) {
	body, err := c.request(addr, "GET", "", id.cookie, "")
	if err != nil {
		return "", err
	}
	open, ok := strings.CutPrefix(body, "0")
	var session struct{ Sid string }
	if !ok || json.Unmarshal([]byte(open), &session) != nil || session.Sid == "" {
		return "", fmt.Errorf("no OPEN packet: %.80q", body)
	}
	if _, err := c.request(addr, "POST", session.Sid, id.cookie, "40"+id.auth); err != nil {
		return "", err
	}
	for {
		body, err := c.request(addr, "GET", session.Sid, id.cookie, "")
		if err != nil {
			return "", err
		}
		for p := range strings.SplitSeq(body, "\x1e") {
			if strings.HasPrefix(p, "4") {
				return session.Sid, connected(p)
			}
		}
	}
}

// request makes one request of a session, and returns the body of the response.
func (c *client) request(addr, method, sid, cookie, body string) (string, error) {
	c.out = append(c.out[:0], method...)
	c.out = append(c.out, " /socket.io/?EIO=4&transport=polling"...)
	if sid != "" {
		c.out = append(c.out, "&sid="...)
		c.out = append(c.out, sid...)
	}
	c.out = append(c.out, " HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, addr...)
	c.out = append(c.out, "\r\nUser-Agent: bench\r\nCookie: "...)
	c.out = append(c.out, cookie...)
	if method == "POST" {
		c.out = append(c.out, "\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: "...)
		c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	}
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", &refusedError{fmt.Sprintf("%s: %.200s", resp.Status, text)}
	}
	return string(text), nil
}

// closePolling ends the session.
func (c *client) closePolling(addr, sid, cookie string) {
	_, _ = c.request(addr, "POST", sid, cookie, "1")
	c.close()
}
