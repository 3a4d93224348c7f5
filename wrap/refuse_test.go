package wrap_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/wrap"
)

func TestErrorServeHTTP(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		"token_missing": 401, "token_invalid": 401, "token_expired": 401, "token_revoked": 401,
		"replaced": 401, "session_missing": 401, "session_expired": 401,
		"user_disabled": 403, "forbidden": 403, "origin_denied": 403, "plan_too_small": 403,
		"rate_limited": 429, "too_many_connections": 429, "unavailable": 503, "internal": 500, "": 500,
		"http_400": 400, "http_418": 418, "http_599": 599,
		"http_399": 403, "http_600": 403, "http_200": 403, "http_": 403, "http_4000": 403, "http_-40": 403, "http_abc": 403,
	} {
		e := &wrap.Error{Code: code, Err: errors.New("hunter2"), Data: map[string]any{"k": []int{1}, "bad": make(chan int)}}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%q: %v in %s", code, err, w.Body)
		}
		data := e.ClientData()
		if w.Code != want || got["code"] != data["code"] || got["message"] != data["message"] || len(got) != 4 ||
			strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%q: status %d, want %d; body %s", code, w.Code, want, w.Body)
		}
		h := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
		if !reflect.DeepEqual(w.Header(), h) {
			t.Errorf("%q: header %v", code, w.Header())
		}
	}
}

func TestErrorServeHTTPHeader(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		e    *wrap.Error
		want string // Retry-After
	}{
		"rounded up":      {&wrap.Error{Code: "rate_limited", RetryAfter: 1001 * time.Millisecond}, "2"},
		"unknown":         {&wrap.Error{Code: "rate_limited"}, "7"},
		"negative":        {&wrap.Error{Code: "rate_limited", RetryAfter: -time.Second}, "7"},
		"of no retryable": {&wrap.Error{Code: "forbidden", RetryAfter: time.Hour}, "3600"},
		"nil":             {nil, "7"},
	} {
		w := httptest.NewRecorder()
		h := w.Header()
		h.Set("WWW-Authenticate", `Bearer realm="x"`)
		h.Set("Vary", "Cookie")
		h.Set("Set-Cookie", "a=; Max-Age=0")
		h.Set("Content-Length", "3")
		h.Set("Retry-After", "7")
		var handler http.Handler = tt.e
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		h = w.Result().Header
		if h.Get("WWW-Authenticate") != `Bearer realm="x"` || h.Get("Vary") != "Cookie" || h.Get("Set-Cookie") == "" || h.Get("Content-Length") == "3" {
			t.Errorf("%s: header %v", name, h)
		}
		if got := h.Get("Retry-After"); got != tt.want {
			t.Errorf("%s: Retry-After %q, want %q", name, got, tt.want)
		}
	}
}

// ClientData belongs to the caller, and is a copy.
func TestErrorClientData(t *testing.T) {
	t.Parallel()
	list := []any{"a"}
	e := &wrap.Error{Code: "forbidden", Data: map[string]any{"list": list, "code": "mine", "retryAfterMs": 1}}
	got := e.ClientData()
	list[0] = "b"
	if s := fmt.Sprint(got); s != "map[code:forbidden list:[a] message:Forbidden retryable:false]" {
		t.Errorf("got %s", s)
	}
	got["code"] = "changed"
	if e.ClientData()["code"] != "forbidden" || e.Data["code"] != "mine" {
		t.Error("the map is shared")
	}
}

// At the end of a chain it refuses at each place, in the same words.
func TestErrorServeHTTPEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		e := &wrap.Error{Code: "session_expired", RetryAfter: time.Second, Data: map[string]any{"k": "v"}, Err: errors.New("hunter2")}
		r := start(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("WWW-Authenticate", "Session")
				e.ServeHTTP(w, r)
			})
		})
		if r.http {
			h, body := r.refused(t, http.StatusUnauthorized)
			if h.Get("WWW-Authenticate") != "Session" || h.Get("Retry-After") != "1" || h.Get("Cache-Control") != "no-store" ||
				body != `{"code":"session_expired","k":"v","message":"Session expired","retryAfterMs":1000,"retryable":true}` {
				t.Errorf("header %v, body %s", h, body)
			}
			return
		}
		c := r.Dial(t, r.dial)
		data := c.ConnectError(t).Data
		if m, ok := data.(map[string]any); ok && r.dial.EIO != 3 {
			data = m["data"]
		}
		if got := fmt.Sprint(data); got != "map[code:session_expired k:v message:Session expired retryAfterMs:1000 retryable:true]" {
			t.Errorf("got %s", got)
		}
	})
}
