package wrap_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sioware/sioware/wrap"
)

// serveOrigin sends a request with this origin through mw and returns the answer and
// whether next ran. The rules are tested in internal/origin.
func serveOrigin(mw wrap.Middleware, origin string) (w *httptest.ResponseRecorder, passed bool) {
	r := httptest.NewRequest(http.MethodGet, "http://internal.example.com/socket.io/?EIO=4&transport=websocket", nil)
	r.Header.Set("Origin", origin)
	w = httptest.NewRecorder()
	mw(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP(w, r)
	return w, passed
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]int{
		"http://internal.example.com": http.StatusOK,
		"https://app.io":              http.StatusOK,
		"https://evil.com":            http.StatusForbidden,
		"null":                        http.StatusForbidden,
	} {
		w, passed := serveOrigin(wrap.Origin("app.io"), origin)
		if w.Code != want || passed != (want == http.StatusOK) {
			t.Errorf("%s: status %d, next called: %t; want %d", origin, w.Code, passed, want)
		}
	}
}

// What a refused client reads does not depend on what it sent.
func TestOriginRefusalKeepsCause(t *testing.T) {
	t.Parallel()
	w, _ := serveOrigin(wrap.Origin("secret.example.com"), "https://evil.com")
	for _, s := range []string{"evil.com", "internal.", "secret."} {
		if strings.Contains(w.Body.String(), s) {
			t.Errorf("body tells %q: %s", s, w.Body)
		}
	}
	if !strings.Contains(w.Body.String(), "origin_denied") {
		t.Errorf("body lacks the code: %s", w.Body)
	}
}

func TestOriginPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		text := fmt.Sprint(recover())
		if !strings.HasPrefix(text, "wrap: Origin: ") || !strings.Contains(text, `"a b"`) || !strings.Contains(text, `"null"`) || strings.Contains(text, "good") {
			t.Errorf("panic text %q", text)
		}
	}()
	wrap.Origin("good.example.com", "a b", "null")
}

func TestOriginAllocs(t *testing.T) {
	h := wrap.Origin("app.io")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "http://example.com/", nil)
	r.Header.Set("Origin", "https://app.io")
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
