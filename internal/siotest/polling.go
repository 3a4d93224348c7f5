package siotest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// job is one POST of a polling client.
type job struct {
	frames []frame
	last   bool          // ends the pump, whose rest goes elsewhere
	sent   chan struct{} // closed when the job is done; may be nil
}

// request performs one HTTP request of the session; a body makes it a POST.
func (c *Client) request(ctx context.Context, method, body string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.dial.url(c.server.URL, c.SID), strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	for key, values := range c.dial.Header {
		req.Header[key] = append([]string(nil), values...)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := c.http.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, "", err
	}
	resp.Body = http.NoBody
	return resp, string(text), nil
}

// poll receives until the session ends or polling is paused.
func (c *Client) poll() {
	defer close(c.polled)
	for !c.pause.Load() && !c.ended() {
		resp, body, err := c.request(c.ctx, http.MethodGet, "")
		if err != nil {
			c.finish("poll: " + err.Error())
			return
		}
		if resp.StatusCode != http.StatusOK {
			c.finish(fmt.Sprintf("poll: %d %.80q", resp.StatusCode, body))
			return
		}
		frames, err := decodePayload(c.dial.eio(), body)
		for _, f := range frames {
			c.receive(f)
		}
		if err != nil {
			c.finish(err.Error())
			return
		}
	}
}

// pump posts the outbox, one request at a time: the host ends a session whose
// requests overlap.
func (c *Client) pump() {
	for {
		c.mu.Lock()
		empty := len(c.outbox) == 0
		var j job
		if !empty {
			j = c.outbox[0]
			c.outbox = c.outbox[1:]
		}
		c.mu.Unlock()
		if empty {
			select {
			case <-c.posted:
				continue
			case <-c.done:
				return
			}
		}
		if !j.last {
			c.post(j)
		}
		if j.sent != nil {
			close(j.sent)
		}
		if j.last || c.ended() {
			return
		}
	}
}

func (c *Client) post(j job) {
	resp, body, err := c.request(c.ctx, http.MethodPost, encodePayload(c.dial.eio(), j.frames))
	if err != nil {
		c.finish("post: " + err.Error())
		return
	}
	if resp.StatusCode != http.StatusOK {
		c.finish(fmt.Sprintf("post: %d %.80q", resp.StatusCode, body))
	}
}

// closePolling posts the CLOSE packet and waits for the answers to the open
// requests.
func (c *Client) closePolling(bound <-chan time.Time) {
	c.pause.Store(true)
	j := job{frames: []frame{{data: []byte("1")}}, sent: make(chan struct{})}
	c.enqueue(j)
	for _, ready := range []<-chan struct{}{j.sent, c.polled} {
		select {
		case <-ready:
		case <-c.done:
			return
		case <-bound:
			return
		}
	}
}
