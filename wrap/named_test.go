package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestNamedBy(t *testing.T) {
	t.Parallel()
	refuse := func(context.Context, *socket.Socket) error { return revoked() }
	// A function that is not of this module.
	foreign := reflect.MakeFunc(reflect.TypeOf(refuse), func([]reflect.Value) []reflect.Value {
		return []reflect.Value{reflect.ValueOf(revoked())}
	}).Interface().(func(context.Context, *socket.Socket) error)
	teapot := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	}
	type chain = []socket.NamespaceMiddleware
	for name, tt := range map[string]struct {
		mws  chain
		want string
		code string // of the *wrap.Error; if empty, the cause has what plainError says
	}{
		// Packages of this module go by their name, and these tests are one.
		"Func":                {chain{wrap.Func(refuse)}, "wrap_test", "token_revoked"},
		"Func, other module":  {chain{wrap.Func(foreign)}, "reflect.makeFuncStub", "token_revoked"},
		"Func, named":         {chain{wrap.Named("tenants", wrap.Func(refuse))}, "tenants", "token_revoked"},
		"Func, named twice":   {chain{wrap.Named("outer", wrap.Named("inner", wrap.Func(refuse)))}, "outer", "token_revoked"},
		"Func, kicked":        {chain{wrap.Named("kicks", wrap.Func(func(_ context.Context, s *socket.Socket) error { wrap.Kick(s, revoked()); return nil }))}, "", "token_revoked"},
		"Func, panic":         {chain{wrap.Named("tenants", wrap.Func(func(context.Context, *socket.Socket) error { panic("oops") }))}, "tenants", "internal"},
		"Guard":               {chain{wrap.Guard(refusePlain, 0)}, "wrap_test", ""},
		"Guard, later":        {chain{wrap.Guard(refuseLater, 0)}, "wrap_test", ""},
		"Guard, named":        {chain{wrap.Named("tenants", wrap.Guard(refusePlain, 0))}, "tenants", ""},
		"Guard, named, later": {chain{wrap.Named("tenants", wrap.Guard(refuseLater, 0))}, "tenants", ""},
		"Guard, named, never": {chain{wrap.Named("tenants", wrap.Guard(func(*socket.Socket, func(*socket.ExtendedError)) {}, time.Millisecond))}, "tenants", "unavailable"},
		"Namespace":           {chain{wrap.Namespace(teapot)}, "wrap.Namespace", "http_418"},
		"Namespace, named":    {chain{wrap.Named("teapot", wrap.Namespace(teapot))}, "teapot", "http_418"},

		"plain":               {chain{pass, refusePlain}, "", ""},
		"plain, later":        {chain{pass, refuseLater}, "", ""},
		"plain alone":         {chain{refusePlain}, "", ""},
		"plain, named":        {chain{pass, wrap.Named("tenants", refusePlain)}, "tenants", ""},
		"plain, named, later": {chain{pass, wrap.Named("tenants", refuseLater)}, "tenants", ""},
		"plain, named alone":  {chain{wrap.Named("tenants", refusePlain)}, "tenants", ""},
		"plain, named twice":  {chain{pass, wrap.Named("outer", wrap.Named("inner", refusePlain))}, "outer", ""},

		// Later middlewares have no part in a name.
		"Func behind a name":         {chain{wrap.Named("a", pass), wrap.Func(refuse)}, "wrap_test", "token_revoked"},
		"Func behind plain":          {chain{wrap.Named("a", passPlain), wrap.Func(refuse)}, "wrap_test", "token_revoked"},
		"Func behind Guard":          {chain{wrap.Named("a", wrap.Guard(passLater, 0)), wrap.Func(refuse)}, "wrap_test", "token_revoked"},
		"Func behind later":          {chain{wrap.Named("a", passLater), wrap.Func(refuse)}, "wrap_test", "token_revoked"},
		"Func behind two":            {chain{wrap.Named("a", wrap.Named("b", passPlain)), wrap.Func(refuse)}, "wrap_test", "token_revoked"},
		"plain behind a name":        {chain{wrap.Named("a", pass), refusePlain}, "", ""},
		"plain behind plain":         {chain{pass, wrap.Named("a", passPlain), refusePlain}, "", ""},
		"plain behind later":         {chain{pass, wrap.Named("a", passLater), refusePlain}, "", ""},
		"plain behind Guard":         {chain{wrap.Named("a", wrap.Guard(passLater, 0)), refusePlain}, "", ""},
		"named behind named":         {chain{wrap.Named("a", pass), wrap.Named("b", wrap.Func(refuse))}, "b", "token_revoked"},
		"named plain behind named":   {chain{pass, wrap.Named("a", passPlain), wrap.Named("b", refusePlain)}, "b", ""},
		"named behind later":         {chain{pass, wrap.Named("a", passLater), wrap.Named("b", refuseLater)}, "b", ""},
		"named behind unnamed later": {chain{wrap.Guard(passLater, 0), wrap.Named("b", wrap.Func(refuse))}, "b", "token_revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				cause := refusedFrom(t, d, tt.mws...)
				var dis wrap.Disconnected
				if !errors.As(cause, &dis) || dis.Reason != "refused" || dis.By != tt.want {
					t.Errorf("cause %v: refused by %q, want %q", cause, dis.By, tt.want)
				}
				var e *wrap.Error
				if errors.As(cause, &e) != (tt.code != "") || tt.code != "" && e.ClientData()["code"] != tt.code {
					t.Errorf("cause %v: %v, want code %q", cause, e, tt.code)
				}
				if tt.code != "" {
					return
				}
				var ext *socket.ExtendedError
				if !errors.As(cause, &ext) || fmt.Sprint(ext.Data()) != "map[mine:true]" {
					t.Fatalf("cause %v: %v", cause, ext)
				}
				told := "no"
				if d.EIO == 3 && !strings.HasPrefix(name, "Guard") {
					told = "" // the client is told only the data, and we know no more
				}
				if ext.Error() != told {
					t.Errorf("told %q, want %q", ext.Error(), told)
				}
			})
		})
	}
}

// What a plain middleware says is read from what the client is told.
func TestToldCause(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ext        *socket.ExtendedError
		eio4, eio3 string // message and data
	}{
		"message":     {socket.NewExtendedError("no entry", nil), "no entry <nil>", "no entry <nil>"},
		"data":        {socket.NewExtendedError("no entry", map[string]any{"code": "full", "n": 1}), "no entry map[code:full n:1]", " map[code:full n:1]"},
		"data, text":  {socket.NewExtendedError("no entry", "full"), "no entry full", "full <nil>"},
		"data, list":  {socket.NewExtendedError("no entry", []any{1, "x"}), "no entry [1 x]", " [1 x]"},
		"data, false": {socket.NewExtendedError("no entry", false), "no entry false", " false"},
		"odd":         {socket.NewExtendedError("\u2028,[]{}\"", map[string]any{"a": "/x,1"}), "\u2028,[]{}\" map[a:/x,1]", " map[a:/x,1]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				cause := refusedFrom(t, d, pass, func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(tt.ext) })
				want := tt.eio4
				if d.EIO == 3 {
					want = tt.eio3
				}
				if got := told(cause); got != want {
					t.Errorf("cause %v: %q, want %q", cause, got, want)
				}
			})
		})
	}
}

// told returns the message and the data of a cause. A lone text, as with Engine.IO 3, may
// be either.
func told(cause error) string {
	var ext *socket.ExtendedError
	if !errors.As(cause, &ext) {
		return strings.TrimPrefix(cause.Error(), "wrap: refused: ") + " <nil>"
	}
	return fmt.Sprint(ext.Error(), " ", ext.Data())
}

func TestNamedRequire(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"wrap.Require", "door"} {
		ctxs := make(chan context.Context, 1)
		s := siotest.NewServer(t, func(io *socket.Server) {
			io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) { ctxs <- wrap.Context(s); next(nil) })
			if require := wrap.Require(); want == "door" {
				io.Use(wrap.Named(want, require))
			} else {
				io.Use(require)
			}
		})
		s.Dial(t, siotest.Dial{}).ConnectError(t)
		ctx := <-ctxs
		<-ctx.Done()
		var dis *wrap.Disconnected
		if !errors.As(context.Cause(ctx), &dis) || dis.By != want {
			t.Errorf("cause %v, want %s", context.Cause(ctx), want)
		}
	}
}

// Each socket has the name of the middleware that refused it, even on one connection.
func TestNamedNamespaces(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		by := make(chan string, 3)
		s := serve(t, func(io *socket.Server) {
			for _, nsp := range []string{"/a", "/b", "/c"} {
				io.Of(nsp, nil).Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
					ctx := wrap.Context(s)
					context.AfterFunc(ctx, func() {
						var dis wrap.Disconnected
						_ = errors.As(context.Cause(ctx), &dis)
						by <- nsp + " " + dis.By
					})
					next(nil)
				})
			}
			io.Of("/a", nil).Use(wrap.Named("one", refusePlain))
			io.Of("/b", nil).Use(wrap.Named("two", wrap.Func(func(context.Context, *socket.Socket) error { return revoked() })))
			io.Of("/c", nil).Use(refusePlain)
		})
		c := s.Dial(t, d)
		c.Connected(t)
		for _, want := range []string{"/a one", "/b two", "/c "} {
			c.Connect(want[:2], nil)
			c.ConnectError(t)
			if got := <-by; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

// Named leaves a panic to what is around it: Guard, or Func before it.
func TestNamedPanic(t *testing.T) {
	t.Parallel()
	bad := wrap.Named("bad", func(*socket.Socket, func(*socket.ExtendedError)) { panic("oops") })
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		cause := refusedFrom(t, d, wrap.Named("outer", wrap.Guard(bad, 0)))
		var dis wrap.Disconnected
		var e *wrap.Error
		if !errors.As(cause, &dis) || dis.By != "outer" || !errors.As(cause, &e) || e.ClientData()["code"] != "internal" || !strings.Contains(e.Error(), "oops") {
			t.Errorf("cause %v", cause)
		}

		ctxs := make(chan context.Context, 1)
		s := serve(t, func(io *socket.Server) {
			io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error { ctxs <- wrap.Context(s); return nil }))
			io.Use(bad)
		})
		if d.EIO == 3 {
			_, _ = s.Open(t, d) // "/" is joined within the handshake
		} else {
			s.Dial(t, d).AwaitDone(t)
		}
		ctx := <-ctxs
		<-ctx.Done()
		if !errors.As(context.Cause(ctx), &dis) || dis.Reason == "refused" || dis.By != "" {
			t.Errorf("cause %v of a connection that was closed", context.Cause(ctx))
		}
	})
}
