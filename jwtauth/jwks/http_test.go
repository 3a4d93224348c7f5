package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

func overServer(t testing.TB, k *jwtauthtest.KeyServer) *jwks.Set {
	t.Helper()
	return newSet(t, k.URL(), jwks.Options{InsecureHTTP: true, Client: k.Client()})
}

func TestServerRotates(t *testing.T) {
	t.Parallel()
	a, b := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "ES256")
	k := jwtauthtest.NewKeyServer(t, a)
	s := overServer(t, k)
	finds(t, s, by(a), a)
	k.Rotate(b)
	finds(t, s, by(b), b) // the fetch for an unknown key
	finds(t, s, by(a))
	if got := k.Fetches(); got != 2 {
		t.Errorf("%d fetches, want 2", got)
	}
}

func TestOwnClient(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "EdDSA")
	k := jwtauthtest.NewKeyServer(t, a)
	s := newSet(t, k.URL(), jwks.Options{InsecureHTTP: true})
	finds(t, s, by(a), a)
}

// With a server that hangs, spammers cause one fetch and delay nobody but themselves.
func TestSpamWhileTheServerHangs(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "EdDSA")
	k := jwtauthtest.NewKeyServer(t, a)
	s := overServer(t, k)
	finds(t, s, by(a), a)
	k.SetHang(true)

	ctx, leave := context.WithCancel(t.Context())
	var spam sync.WaitGroup
	for i := range 3000 {
		spam.Go(func() {
			if keys, err := s.Find(ctx, unknown(fmt.Sprint(i))); !errors.Is(err, context.Canceled) {
				t.Errorf("Find = %d keys, %v; want the end of the context", len(keys), err)
			}
		})
	}
	var good sync.WaitGroup
	start, h := time.Now(), by(a)
	for range 8 {
		good.Go(func() {
			for range 2000 {
				if keys, err := s.Find(t.Context(), h); len(keys) != 1 || err != nil {
					t.Errorf("Find = %d keys, %v", len(keys), err)
					return
				}
			}
		})
	}
	good.Wait()
	t.Logf("16,000 good tokens in %v", time.Since(start))
	leave()
	spam.Wait()
	if got := k.Fetches(); got > 2 {
		t.Errorf("%d fetches, want 1 beside the first", got)
	}
	k.SetHang(false)
	finds(t, s, unknown("")) // nobody waited for it any more, but the fetch went on
	if got := k.Fetches(); got != 2 {
		t.Errorf("%d fetches, want 2", got)
	}
}

func TestCloseDuringARequest(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "EdDSA")
	arrived, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush() // the client waits for the body
		<-release
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	s := newSet(t, srv.URL, jwks.Options{InsecureHTTP: true})
	done := make(chan error)
	go func() {
		_, err := s.Find(context.Background(), by(a))
		done <- err
	}()
	<-arrived
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("Find: no error though the Set was closed")
	}
}

// secureServer is one that does not log the clients that hang up on it.
func secureServer(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "EdDSA")
	srv := secureServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(keySet(a)))
	})
	finds(t, newSet(t, srv.URL, jwks.Options{Client: srv.Client()}), by(a), a)

	err := fails(t, newSet(t, srv.URL, jwks.Options{}), by(a))
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "EdDSA")
	var secure, plain *httptest.Server
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ref := r.Referer(); ref != "" {
			t.Errorf("%s: Referer %s", r.URL.Path, ref)
		}
		var hops int
		switch _, err := fmt.Sscanf(r.URL.Path, "/hops/%d", &hops); {
		case err == nil && hops > 0:
			http.Redirect(w, r, fmt.Sprintf("/hops/%d", hops-1), http.StatusFound)
		case r.URL.Path == "/plain":
			http.Redirect(w, r, plain.URL+"/hops/0", http.StatusFound)
		case r.URL.Path == "/secure":
			http.Redirect(w, r, secure.URL+"/hops/0", http.StatusFound)
		case r.URL.Path == "/back":
			http.Redirect(w, r, secure.URL+"/plain", http.StatusFound)
		default:
			_, _ = w.Write([]byte(keySet(a)))
		}
	})
	secure, plain = secureServer(t, handler), httptest.NewServer(handler)
	t.Cleanup(plain.Close)

	for _, tt := range []struct{ url, want string }{
		{secure.URL + "/hops/3", ""},
		{secure.URL + "/hops/4", "more than 3 redirects"},
		{secure.URL + "/plain", "redirect from https to http"},
		{plain.URL + "/plain", ""},
		{plain.URL + "/secure", ""},
		{plain.URL + "/back", "redirect from https to http"},
	} {
		s := newSet(t, tt.url+"?secret", jwks.Options{InsecureHTTP: true, Client: secure.Client()})
		if tt.want == "" {
			finds(t, s, by(a), a)
		} else if err := fails(t, s, by(a)); !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.url, err, tt.want)
		}
	}

	// The client's own rule is asked, too, and the client is not changed.
	own := *secure.Client()
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	err := fails(t, newSet(t, secure.URL+"/hops/1", jwks.Options{Client: &own}), by(a))
	if !strings.Contains(err.Error(), "status 302") {
		t.Error(err)
	}
	if secure.Client().CheckRedirect != nil {
		t.Error("the client was changed")
	}
}

func zipped(body string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(body))
	_ = z.Close()
	return b.String()
}

func TestAnswersThatAreNoKeySets(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "EdDSA")
	for name, tt := range map[string]struct {
		status     int
		gzip       bool
		body, want string
	}{
		"empty":         {200, false, "", "not a JSON object"},
		"html":          {200, false, "<html>", "not a JSON object"},
		"null":          {200, false, "null", "not a JSON object"},
		"array":         {200, false, "[]", "not a JSON object"},
		"no keys":       {200, false, "{}", "not a key set"},
		"keys null":     {200, false, `{"keys":null}`, "not a key set"},
		"keys object":   {200, false, `{"keys":{}}`, "not a key set"},
		"other case":    {200, false, `{"KEYS":[]}`, "not a key set"},
		"cut":           {200, false, keySet(a)[:50], "not a JSON object"},
		"more":          {200, false, keySet(a) + "{}", "not a JSON object"},
		"deep":          {200, false, `{"keys":` + strings.Repeat("[", 500_000), "not a JSON object"},
		"created":       {201, false, keySet(a), "status 201"},
		"not found":     {404, false, keySet(a), "status 404"},
		"not modified":  {304, false, "", "status 304"},
		"huge":          {200, false, keySet(a) + strings.Repeat(" ", 1<<20), "more than 1048576 bytes"},
		"huge unpacked": {200, true, keySet(a) + strings.Repeat(" ", 8<<20), "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := tt.body
			if tt.gzip {
				body = zipped(body)
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.gzip {
					w.Header().Set("Content-Encoding", "gzip")
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(body))
			}))
			t.Cleanup(srv.Close)
			err := fails(t, newSet(t, srv.URL, jwks.Options{InsecureHTTP: true}), by(a))
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "html") {
				t.Errorf("the body is in the error: %v", err)
			}

			if tt.status != 200 || tt.gzip {
				return
			}
			synctest.Test(t, func(t *testing.T) {
				n := &network{body: keySet(a)}
				s := overNetwork(t, n, jwks.Options{})
				finds(t, s, by(a), a)
				n.set(func() { n.body = tt.body })
				pass(time.Hour + 3*time.Minute)
				finds(t, s, by(a), a) // the good set stays
				fails(t, s, unknown(""))
			})
		})
	}
}

func TestSecretsOfTheURLAreNotShown(t *testing.T) {
	t.Parallel()
	a := jwtauthtest.NewSigner(t, "EdDSA")
	k := jwtauthtest.NewKeyServer(t)
	k.SetDown(true)
	const user, password, query = "s3cret-user", "s3cret-pass", "s3cret-query"
	host := strings.TrimPrefix(k.URL(), "http://")
	logger, text := logs()
	for _, address := range []string{host, "127.0.0.1:1/keys"} { // status 503, and no server at all
		s := newSet(t, "http://"+user+":"+password+"@"+address+"?key="+query, jwks.Options{InsecureHTTP: true, Logger: logger})
		err := fails(t, s, by(a))
		for _, shown := range []string{err.Error(), s.String(), text(), fmt.Sprint(s)} {
			if !strings.Contains(shown, "127.0.0.1") {
				t.Errorf("no server named: %s", shown)
			}
			if strings.Contains(shown, "s3cret") {
				t.Errorf("a secret is shown: %s", shown)
			}
		}
	}
	for _, bad := range []string{"ftp://", "http://", "https://:1/", "https://%zz", "https://h:port/"} {
		_, err := jwks.New(strings.Replace(bad, "//", "//s3cret:s3cret@", 1)+"?s3cret", nil)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("New(%s): %v", bad, err)
		}
	}
}
