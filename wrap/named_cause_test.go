package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func byOf(t *testing.T, mws ...socket.NamespaceMiddleware) string {
	t.Helper()
	var dis wrap.Disconnected
	_ = errors.As(refusedFrom(t, siotest.Dial{}, mws...), &dis)
	return dis.By
}

func TestNamedPackages(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(secret), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close(context.Background())
	sess, err := session.New(sessions.NewCookieStore(secret), "sid", nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, mw := range map[string]socket.NamespaceMiddleware{"jwtauth": auth.Middleware(), "session": sess.Middleware()} {
		if by := byOf(t, mw); by != want {
			t.Errorf("refused by %q, want %q", by, want)
		}
	}
}

func TestNamedToldData(t *testing.T) {
	for _, data := range []map[string]any{{"message": "full", "code": "room_full"}, {"data": "x", "code": "room_full"}} {
		cause := refusedFrom(t, siotest.Dial{EIO: 3}, pass, func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no entry", data))
		})
		var ext *socket.ExtendedError
		if !errors.As(cause, &ext) || fmt.Sprint(ext.Data()) != fmt.Sprint(data) {
			t.Errorf("data %v, want %v", ext.Data(), data)
		}
	}
}

func TestWatchPanic(t *testing.T) {
	var told list
	s, _, _ := sockets(t, watch(func(*socket.Socket) wrap.Hooks {
		return wrap.Hooks{Event: func(e *wrap.Event) { told.add("%s", e.Name) }, Refused: func(e *wrap.Event, err error) { told.add("%s %v", e.Name, err) }}
	}), watch(func(*socket.Socket) wrap.Hooks {
		return wrap.Hooks{Event: func(*wrap.Event) { panic("oops") }}
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	if got := fmt.Sprint(c.EmitAck(t, "x").Data); got != "[]" {
		t.Errorf("answered %s: the event was refused", got)
	}
	siotest.Eventually(t, "told", func() bool { return len(told.get()) > 0 })
	if n := len(told.get()); n != 1 {
		t.Errorf("told of one event: %q", told.get())
	}
}

func TestNamedElsewhere(t *testing.T) { // "a" calls next elsewhere and returns while "b" runs
	inB, aReturned := make(chan struct{}), make(chan struct{})
	a := wrap.Named("a", func(_ *socket.Socket, next func(*socket.ExtendedError)) { go next(nil); <-inB })
	inner := wrap.Func(func(context.Context, *socket.Socket) error { return revoked() })
	b := wrap.Named("b", func(s *socket.Socket, next func(*socket.ExtendedError)) { close(inB); <-aReturned; inner(s, next) })
	if by := byOf(t, func(s *socket.Socket, next func(*socket.ExtendedError)) { a(s, next); close(aReturned) }, b); by != "b" {
		t.Errorf("refused by %q, want b", by)
	}
}

func TestNamedInGuard(t *testing.T) {
	if by := byOf(t, wrap.Guard(wrap.Named("tenants", refusePlain), 0)); by != "tenants" {
		t.Errorf("refused by %q, want tenants", by)
	}
}

func TestNamedToldMessage(t *testing.T) {
	cause := refusedFrom(t, siotest.Dial{EIO: 3}, pass, func(_ *socket.Socket, next func(*socket.ExtendedError)) {
		next(socket.NewExtendedError("no entry", nil))
	})
	var ext *socket.ExtendedError
	if !errors.As(cause, &ext) {
		t.Errorf("no *socket.ExtendedError in %v", cause)
	}
}
