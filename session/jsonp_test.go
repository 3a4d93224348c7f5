package session_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// chains are the places where a Handler can stand. refuses says that it sees the
// handshake there, and need not leave it to the middleware.
var chains = map[string]struct {
	refuses bool
	chain   func(m *session.Manager, h http.Handler) http.Handler
}{
	"in wrap":          {true, func(m *session.Manager, h http.Handler) http.Handler { return wrap.Handler(h, m.Handler) }},
	"both":             {true, func(m *session.Manager, h http.Handler) http.Handler { return m.Handler(wrap.Handler(h, m.Handler)) }},
	"in front of wrap": {false, func(m *session.Manager, h http.Handler) http.Handler { return m.Handler(wrap.Handler(h)) }},
	"without wrap":     {false, func(m *session.Manager, h http.Handler) http.Handler { return m.Handler(h) }},
	"wrap alone":       {false, func(_ *session.Manager, h http.Handler) http.Handler { return wrap.Handler(h) }},
}

// behind starts a server with a chain, and counts who connects.
func behind(t *testing.T, chain func(m *session.Manager, h http.Handler) http.Handler) *server {
	t.Helper()
	s := &server{m: newManager(t, newMemory(), nil), sockets: make(chan *socket.Socket, 100)}
	s.Server = siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler { return chain(s.m, h) },
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, s.m.Middleware())
		_ = io.On("connection", func(args ...any) { s.sockets <- args[0].(*socket.Socket) })
	})
	return s
}

// TestOriginAnywhere: wherever Handler stands, a page of another site gets no socket with
// the session of its visitor, and one of the same site does.
func TestOriginAnywhere(t *testing.T) {
	t.Parallel()
	for name, c := range chains {
		s := behind(t, c.chain)
		browser := s.visit(t)
		for _, polling := range []bool{false, true} {
			for _, header := range []http.Header{
				{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
				{"Origin": {"https://evil.example"}},
				{"Origin": {"null"}},
				{"Sec-Fetch-Site": {"cross-site"}},
				{"Sec-Fetch-Site": {"same-site"}},
			} {
				header["Cookie"] = []string{browser}
				d := siotest.Dial{Polling: polling, Header: header}
				if c.refuses {
					turned(t, s.Server, d, http.StatusForbidden, "origin_denied")
					continue
				}
				client := s.Dial(t, d)
				rejected(t, client, "origin_denied")
				client.Close()
			}
			good := siotest.Dial{Polling: polling, Header: http.Header{"Cookie": {browser}, "Origin": {s.URL}}}
			if _, sess := s.join(t, good); sess == nil {
				t.Errorf("%s: no session", name)
			}
		}
		if n := len(s.sockets); n != 0 {
			t.Errorf("%s: %d sockets more", name, n)
		}
	}
}

// script is a request that a script element makes, and the body of the answer.
func script(t *testing.T, s *server, method, query, cookie, body string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, s.URL+siotest.Path+"?EIO=4&"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Cookie", cookie)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestJSONP: a script of any page could read the engine's answer to it, so it is refused
// unless the browser says that the page is of the same site.
func TestJSONP(t *testing.T) {
	t.Parallel()
	for name, c := range chains {
		s := behind(t, c.chain)
		browser := s.visit(t)
		for _, query := range []string{
			"transport=polling&j=0", "j=0&transport=polling", "transport=polling&j", "transport=polling&j=", "transport=polling&%6a=0",
		} {
			status, body := script(t, s, http.MethodGet, query, browser, "", nil)
			if c.refuses {
				told(t, status, []byte(body), http.StatusForbidden, "origin_denied")
				continue
			}
			_, rest, found := strings.Cut(body, `sid\":\"`)
			sid, _, _ := strings.Cut(rest, `\"`)
			if status != http.StatusOK || !found {
				t.Errorf("%s, %s: %d %s", name, query, status, body)
				continue
			}
			query += "&sid=" + url.QueryEscape(sid)
			script(t, s, http.MethodPost, query, browser, "d=40", nil)
			if _, body := script(t, s, http.MethodGet, query, browser, "", nil); !strings.Contains(body, "origin_denied") || strings.Contains(body, `40{\"sid`) {
				t.Errorf("%s, %s: a script gets %s", name, query, body)
			}
		}
		if n := len(s.sockets); n != 0 {
			t.Errorf("%s: %d sockets", name, n)
		}
		for site, want := range map[string]bool{"same-origin": true, "same-site": false, "cross-site": false} {
			if !c.refuses {
				continue
			}
			status, body := script(t, s, http.MethodGet, "transport=polling&j=0", browser, "", http.Header{"Sec-Fetch-Site": {site}})
			if (status == http.StatusOK) != want {
				t.Errorf("%s, %s: %d %s", name, site, status, body)
			}
		}
	}
}
