//go:build linux

package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// patience is how long a canary waits for one answer: a busy machine is not a fault.
const patience = 40 * time.Second

// canary is a well-behaved client, from an address of its own. It must always be served.
type canary struct {
	url, from, kind string
}

// kinds are the kinds of canaries.
var kinds = []string{"websocket", "polling", "upgrade", "websocket 3", "polling 3"}

// sing lets canaries of all kinds connect once a second until ctx is done.
func sing(ctx context.Context, t *testing.T, url string, served *atomic.Int64) {
	var running sync.WaitGroup
	for i, kind := range kinds {
		k := &canary{url, fmt.Sprintf("127.2.0.%d", i+1), kind}
		running.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				if err := k.once(); err != nil {
					t.Errorf("canary %s: %v", kind, err)
				}
				served.Add(1)
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	running.Wait()
}

// talk is a session of Engine.IO.
type talk interface {
	send(text string) error
	receive() (string, error)
	end()
}

// once connects, has an event answered, joins a room, and leaves.
func (k *canary) once() error {
	jwt := token("canary "+k.kind, 80*time.Second)
	eio, header := 4, http.Header{}
	if strings.HasSuffix(k.kind, "3") {
		eio = 3
		header.Set("Authorization", "Bearer "+jwt)
	}
	dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(k.from)}}
	web := websocket.Dialer{NetDialContext: dialer.DialContext, HandshakeTimeout: patience}
	query := "/socket.io/?EIO=" + strconv.Itoa(eio) + "&transport="
	var t talk
	if strings.HasPrefix(k.kind, "websocket") {
		conn, _, err := web.Dial("ws"+strings.TrimPrefix(k.url, "http")+query+"websocket", header)
		if err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		t = &socketTalk{conn}
	} else {
		transport := &http.Transport{DialContext: dialer.DialContext}
		t = &pollTalk{http: transport, url: k.url + query + "polling&b64=1", eio: eio, header: header}
	}
	defer func() { t.end() }()

	open, err := await(t, "0{")
	if err != nil {
		return err
	}
	if eio == 4 {
		if err := t.send(`40{"token":"` + jwt + `"}`); err != nil {
			return err
		}
	}
	if _, err := await(t, "40"); err != nil {
		return err
	}
	if k.kind == "upgrade" {
		_, rest, _ := strings.Cut(open, `"sid":"`)
		sid, _, _ := strings.Cut(rest, `"`)
		conn, _, err := web.Dial("ws"+strings.TrimPrefix(k.url, "http")+query+"websocket&sid="+url.QueryEscape(sid), nil)
		if err != nil {
			return fmt.Errorf("upgrade: %w", err)
		}
		t.(*pollTalk).http.CloseIdleConnections()
		t = &socketTalk{conn}
		if err := t.send("2probe"); err != nil {
			return err
		}
		if _, err := await(t, "3probe"); err != nil {
			return err
		}
		if err := t.send("5"); err != nil {
			return err
		}
	}
	for i, event := range []string{`["echo","tweet"]`, `["join","r0"]`, `["visit"]`} {
		if err := t.send(fmt.Sprintf("42%d%s", i, event)); err != nil {
			return err
		}
		answer, err := await(t, fmt.Sprintf("43%d[", i))
		if err != nil {
			return err
		}
		if i == 0 && answer != `430["tweet"]` || strings.Contains(answer, `"failed"`) || strings.Contains(answer, `"code"`) {
			return fmt.Errorf("the answer to %s is %s", event, answer)
		}
	}
	return t.send("41")
}

// await receives until a packet begins with prefix. Pings are answered.
func await(t talk, prefix string) (string, error) {
	var seen []string
	for {
		text, err := t.receive()
		if err != nil {
			return "", fmt.Errorf("no %s after %q: %w", prefix, seen, err)
		}
		seen = append(seen, text)
		switch {
		case strings.HasPrefix(text, prefix):
			return text, nil
		case text == "2":
			if err := t.send("3"); err != nil {
				return "", err
			}
		case strings.HasPrefix(text, "41"), strings.HasPrefix(text, "44"), strings.HasPrefix(text, `42["kicked"`), text == "1":
			return "", fmt.Errorf("no %s: %q", prefix, seen)
		}
	}
}

// socketTalk is a talk over WebSocket.
type socketTalk struct{ conn *websocket.Conn }

func (s *socketTalk) send(text string) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	return s.conn.WriteMessage(websocket.TextMessage, []byte(text))
}

func (s *socketTalk) receive() (string, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	_, text, err := s.conn.ReadMessage()
	return string(text), err
}

func (s *socketTalk) end() {
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(patience))
	for {
		if _, err := s.receive(); err != nil {
			_ = s.conn.Close()
			return
		}
	}
}

// pollTalk is a talk over long-polling.
type pollTalk struct {
	http   *http.Transport
	url    string
	eio    int
	header http.Header
	queue  []string
	sid    bool
}

func (p *pollTalk) request(method, body string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, p.url, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	for name, values := range p.header {
		r.Header[name] = values
	}
	resp, err := p.http.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %.200s", method, resp.StatusCode, text)
	}
	return string(text), err
}

func (p *pollTalk) send(text string) error {
	if p.eio == 3 {
		text = fmt.Sprintf("%d:%s", len(text), text)
	}
	_, err := p.request(http.MethodPost, text)
	return err
}

var errPayload = errors.New("a payload that cannot be read")

func (p *pollTalk) receive() (string, error) {
	if len(p.queue) == 0 {
		body, err := p.request(http.MethodGet, "")
		if err != nil {
			return "", err
		}
		for p.eio == 3 && body != "" {
			digits, rest, _ := strings.Cut(body, ":")
			n, err := strconv.Atoi(digits)
			if err != nil || n > len(rest) { // all is ASCII
				return "", errPayload
			}
			p.queue = append(p.queue, rest[:n])
			body = rest[n:]
		}
		if p.eio == 4 {
			p.queue = strings.Split(body, "\x1e")
		}
	}
	if len(p.queue) == 0 {
		return "", errPayload
	}
	text := p.queue[0]
	p.queue = p.queue[1:]
	if _, rest, ok := strings.Cut(text, `"sid":"`); ok && !p.sid {
		sid, _, _ := strings.Cut(rest, `"`)
		p.url += "&sid=" + url.QueryEscape(sid)
		p.sid = true
	}
	return text, nil
}

func (p *pollTalk) end() {
	if p.sid {
		_ = p.send("1")
	}
	p.http.CloseIdleConnections()
}
