package jwtauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestHandlerKeepsNoToken: what Handler puts into the context of a request, which the host
// keeps, holds the claims and not the token. It is not parallel, since it looks at the
// heap.
func TestHandlerKeepsNoToken(t *testing.T) {
	const tokens, least = 2000, 1000
	a := newAuth(t, nil)
	kept := make([]context.Context, 0, tokens)
	h := a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept = append(kept, r.Context()) }))
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range tokens {
		long := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()})
		long.Header["kid"] = strings.Repeat("x", least)
		text, err := long.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+text)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	each := int64(heap()-before) / tokens
	if len(kept) != tokens || each > 2*least {
		t.Errorf("%d contexts of %d bytes each", len(kept), each)
	}
	runtime.KeepAlive(kept)
}
