package presence_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestDowngraded: who a socket belongs to is asked once. A socket whose token has
// expired belongs to its user until it is taken out, as the doc of jwtauth.Downgrade
// says; a new token counts with the next connection.
func TestDowngraded(t *testing.T) {
	t.Parallel()
	var p *presence.Tracker
	told := make(chan error, 10)
	auth, err := jwtauth.New(jwtauth.HMAC(hubSecret), &jwtauth.Options[jwtauth.Claims]{
		OnExpiry: jwtauth.Downgrade, Warning: -1,
		Changed: func(s *socket.Socket, _, after *jwtauth.Identity[jwtauth.Claims]) {
			if after != nil {
				return
			}
			if !s.Rooms().Has(p.Room("ada")) {
				told <- errors.New("not in the room of her user before")
			}
			told <- p.Leave(context.Background(), s, "")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = auth.Close(t.Context()) }()
	p = trackerOf(t, auth.Subject, &presence.Options{Grace: -1})
	sockets := make(chan *socket.Socket, 10)
	s := siotest.Config{Options: wrap.Harden(nil)}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, auth.Middleware(), p.Middleware())
		_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
	})
	token := func(ttl time.Duration) string {
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwtauth.Claims{
			Subject: "ada", ExpiresAt: jwt.NewNumericDate(time.Now().Add(ttl)),
		}).SignedString(hubSecret)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}

	c := s.Dial(t, siotest.Dial{Auth: object{"token": token(4 * time.Second)}})
	c.Connected(t)
	so := <-sockets
	c.NextEvent(t, "auth:expired")
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	if so.Rooms().Has(p.Room("ada")) || status(t, p, "ada").Online {
		t.Error("a guest is still ada")
	}
	next := token(time.Hour)
	if got := code(c.EmitAck(t, "auth:refresh", next).Args()[0]); got != "" {
		t.Errorf("refresh: %s", got)
	}
	if so.Rooms().Has(p.Room("ada")) || status(t, p, "ada").Online {
		t.Error("ada counts again on the connection that she has left")
	}
	s.Dial(t, siotest.Dial{Auth: object{"token": next}}).Connected(t)
	if so := <-sockets; !so.Rooms().Has(p.Room("ada")) || !status(t, p, "ada").Online {
		t.Error("ada does not count on a new connection")
	}
}
