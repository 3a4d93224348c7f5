package jwtauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// journal collects log output.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// everywhere are all sources at once.
func everywhere(token string) (sources []jwtauth.Source, d siotest.Dial) {
	return []jwtauth.Source{
			jwtauth.AuthField("token"), jwtauth.Bearer(), jwtauth.Header("X-Token"), jwtauth.Cookie("jwt"),
			jwtauth.Query("token"), jwtauth.Subprotocol(),
		}, siotest.Dial{
			Auth: object{"token": token, "room": "kept"},
			Header: http.Header{
				"Authorization": {"Bearer " + token}, "X-Token": {token}, "Cookie": {"a=kept; jwt=" + token},
				"Sec-Websocket-Protocol": {"kept, bearer." + token},
			},
			Query: url.Values{"token": {token}, "q": {"kept"}},
		}
}

// TestNoTokenLeft: after the connect the token is nowhere that somebody looks.
func TestNoTokenLeft(t *testing.T) {
	// Not parallel: it listens to the default logger.
	old := slog.Default()
	defer slog.SetDefault(old)
	logs := new(journal)
	slog.SetDefault(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))

	good := token(t, "ada", time.Hour)
	next := token(t, "ada", 2*time.Hour)
	for _, early := range []bool{false, true} {
		sources, d := everywhere(good)
		a := newAuth(t, &jwtauth.Options[claims]{Sources: sources})
		var mws []wrap.Middleware
		if early {
			mws = append(mws, a.Handler)
		}
		s, sockets := authenticated(t, a, mws...)
		c := s.Dial(t, d)
		c.Connected(t)
		so := <-sockets
		if got := c.EmitAck(t, "auth:refresh", next).Args(); code(got[0]) != "" {
			t.Fatalf("refresh: %v", got)
		}
		id, _ := a.Identity(so)
		h := so.Handshake()
		asJSON, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		r := wrap.Request(so)
		places := map[string]any{
			"handshake": h, "handshake as JSON": string(asJSON), "identity": id, "claims": id.Claims, "auth": a,
			"request": r, "URL": r.URL, "headers": r.Header, "context": wrap.Context(so), "context's request": r.Context(),
			"keys": jwtauth.HMAC(secret), "auth payload": h.Auth, "query": h.Query,
		}
		so.Nsp().Server().FetchSockets()(func(all []*socket.RemoteSocket, err error) {
			for i, remote := range all {
				places[fmt.Sprint("remote socket ", i)] = remote.Handshake()
			}
		})
		if len(places) < 14 {
			t.Error("no remote socket")
		}
		if early {
			shared := so.Request().Request()
			places["the host's request"], places["its URL"], places["its headers"] = shared, shared.URL, shared.Header
		}
		places["logs"] = logs.String()
		// fmt takes none of the locks of a, whose clocks must stand still then.
		siotest.Eventually(t, "nothing is to come", func() bool { return jwtauth.Planned(a) == 0 })
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_, _ = jwtauth.Planned(a), jwtauth.Armed(a) // the last workers have unlocked both clocks
		for name, v := range places {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
				text := fmt.Sprintf(verb, v)
				for _, secret := range []string{good, next, string(secret), strings.Split(good, ".")[2]} {
					if strings.Contains(text, secret) {
						t.Errorf("early %v: %s, as %s, holds %.20s...", early, name, verb, secret)
					}
				}
			}
		}
		// What else was there is still there.
		for where, text := range map[string]string{
			"query": r.URL.Query().Get("q"), "cookie": r.Header.Get("Cookie"), "protocol": r.Header.Get("Sec-Websocket-Protocol"),
			"handshake": h.Url, "headers": fmt.Sprint(h.Headers["Cookie"]), "auth": fmt.Sprint(h.Auth),
		} {
			if !strings.Contains(text, "kept") {
				t.Errorf("early %v: %s has lost what is none of ours: %q", early, where, text)
			}
		}
		c.Close()
	}
}

// TestErrorsHoldNoToken: neither what a client is told nor what the log may say.
func TestErrorsHoldNoToken(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	good := token(t, "ada", time.Hour)
	for _, bad := range []string{
		good + "x", good[:len(good)-4] + "AAAA", good + ".x", strings.Replace(good, ".", "!", 1), "Bearer " + good,
		sign(t, object{"sub": "ada", "exp": 1}), sign(t, object{"sub": "topsecret", "exp": "topsecret"}),
		sign(t, object{"role": object{"topsecret": 1}, "exp": time.Now().Add(time.Hour).Unix()}),
	} {
		_, err := a.Authenticate(t.Context(), bad)
		var e *wrap.Error
		if !errors.As(err, &e) {
			t.Fatalf("%v is no *wrap.Error", err)
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprint(e.ClientData())} {
			for _, part := range append(strings.Split(bad, "."), "topsecret", string(secret)) {
				if len(part) > 3 && strings.Contains(text, part) {
					t.Errorf("%q holds %q", text, part)
				}
			}
		}
	}
}
