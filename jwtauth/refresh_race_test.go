package jwtauth_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRevokedWhileRefreshing: the index finds nobody by a token that the store has
// just admitted. What is revoked in between is seen all the same.
func TestRevokedWhileRefreshing(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	b.onAdmit(func(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
		b.onAdmit(nil)
		verdict, err := b.MemoryStore.Admit(ctx, l)
		if n, err := a.Revoke(ctx, jwtauth.ByID(l.ID)); n != 0 || err != nil {
			t.Errorf("Revoke = %d, %v", n, err)
		}
		return verdict, err
	})
	if got := refresh(t, c, token(t, "ada", 2*time.Hour)); got != "" {
		t.Errorf("refresh: %s", got)
	}
	kicked(t, c, "token_revoked")
}

// TestRefreshTooLate: whoever is put out while the store is asked about a refresh is
// not told that it was good, and nothing changes: also in the moment between the
// decision and the end of the socket's context, in which the client is told.
func TestRefreshTooLate(t *testing.T) {
	t.Parallel()
	type told struct{ kicking, adopted chan struct{} }
	for name, tt := range map[string]struct {
		ttl  time.Duration
		out  func(t *testing.T, a *jwtauth.Auth[claims], b *scripted, w told)
		want string
	}{
		"revoked here": {time.Hour, func(t *testing.T, a *jwtauth.Auth[claims], _ *scripted, w told) {
			close(w.adopted) // Kick must return before the refresh goes on
			if n, err := a.Revoke(context.Background(), jwtauth.ByID("old")); n != 1 || err != nil {
				t.Errorf("Revoke = %d, %v", n, err)
			}
		}, "token_revoked"},
		"revoked elsewhere": {time.Hour, func(_ *testing.T, _ *jwtauth.Auth[claims], b *scripted, w told) {
			b.watcher(jwtauth.Change{Revocation: jwtauth.ByID("old")})
			<-w.kicking
		}, "token_revoked"},
		"expired": {2 * time.Second, func(_ *testing.T, _ *jwtauth.Auth[claims], _ *scripted, w told) {
			<-w.kicking
		}, "token_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := told{make(chan struct{}), make(chan struct{})}
			b := newScripted()
			a := newAuth(t, &jwtauth.Options[claims]{
				Store: b, Warning: -1,
				Changed: func(*socket.Socket, *jwtauth.Identity[claims], *jwtauth.Identity[claims]) {
					t.Error("the identity has changed")
					close(w.adopted)
				},
			})
			b.onAdmit(func(_ context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
				if l.ID == "new" {
					tt.out(t, a, b, w)
				}
				return jwtauth.Admitted, nil
			})
			s, sockets := authenticated(t, a)
			c := s.Dial(t, with(token(t, "ada", tt.ttl, object{"jti": "old"})))
			c.Connected(t)
			so := <-sockets
			_ = so.Client().Conn().On("packetCreate", func(args ...any) {
				if p, ok := args[0].(*packet.Packet); ok && strings.Contains(fmt.Sprint(p.Data), `"kicked"`) {
					close(w.kicking)
					select { // the context of the socket ends when this returns
					case <-w.adopted:
					case <-time.After(100 * time.Millisecond): // longer only shows more
					}
				}
			})
			if got := refresh(t, c, token(t, "ada", time.Hour, object{"jti": "new"})); got != "unavailable" {
				t.Errorf("refresh: %q", got)
			}
			kicked(t, c, tt.want)
			if id, _ := a.Identity(so); id.ID != "old" {
				t.Errorf("identity %s", id.ID)
			}
			siotest.Eventually(t, "the index is empty", func() bool { return jwtauth.Indexed(a) == 0 })
		})
	}
}

// TestRefreshAfterLeaving: a client that leaves is no fault of ours to be logged.
func TestRefreshAfterLeaving(t *testing.T) {
	t.Parallel()
	log := new(journal)
	entered, answered := make(chan struct{}), make(chan struct{})
	a := newAuth(t, &jwtauth.Options[claims]{
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Verify: func(ctx context.Context, id *jwtauth.Identity[claims]) error {
			if id.Source == "auth:refresh" {
				close(entered)
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		},
	})
	s := serve(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			s.Use(func(_ []any, next func(error)) {
				next(nil) // returns when all that come behind have
				close(answered)
			})
			next(nil)
		})
		io.Use(a.Middleware())
	})
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	c.Emit("auth:refresh", token(t, "ada", 2*time.Hour))
	<-entered
	c.Kill()
	<-answered
	if got := log.String(); got != "" {
		t.Errorf("logged %s", got)
	}
}
