package wrap_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
)

// If chains at two places set the same headers, the client gets complete lists without
// duplicates, and otherwise the values of the inner chain.
func TestChainsHeaders(t *testing.T) {
	t.Parallel()
	set := func(who string) wrap.Middleware {
		return before(func(h http.Header) {
			h.Set("X-Frame-Options", who)
			for _, v := range []string{"both", who} {
				h.Add("Vary", v)
				h.Add("Set-Cookie", v+"=1")
			}
		})
	}
	a, b := set("a"), set("b")
	handler := func(h http.Handler) http.Handler { return wrap.Handler(h, a) }
	use := func(mws ...engine.Middleware) func(engine.BaseServer) {
		return func(e engine.BaseServer) {
			for _, mw := range mws {
				e.Use(mw)
			}
		}
	}
	for name, c := range map[string]siotest.Config{
		"around Engine":    {Handler: a, Engine: use(wrap.Engine(b))},
		"Engine, Engine":   {Engine: use(wrap.Engine(a), wrap.Engine(b))},
		"Engine, Every":    {Engine: use(wrap.Engine(a), wrap.Every(b))},
		"Handler, Engine":  {Handler: handler, Engine: use(wrap.Engine(b))},
		"Handler, Handler": {Handler: func(h http.Handler) http.Handler { return handler(wrap.Handler(h, b)) }},
	} {
		for _, d := range []siotest.Dial{{}, {Polling: true}} {
			s := c.NewServer(t, nil)
			client := s.Dial(t, d)
			client.Connected(t)
			for k, want := range map[string][]string{
				"X-Frame-Options": {"b"}, "Vary": {"a", "b", "both"}, "Set-Cookie": {"a=1", "b=1", "both=1"},
			} {
				if got := slices.Sorted(slices.Values(client.Handshake.Header.Values(k))); !slices.Equal(got, want) {
					t.Errorf("%s, %s: %s %q, want %q", name, client.Transport(), k, got, want)
				}
			}
		}
	}
}
