package e2e

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

type userKey struct{}

// withUser puts the header X-User into the context, as authentication would.
func withUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, r.Header.Get("X-User"))))
	})
}

func binary(base64 string) object { return object{"$binary": base64} }

func TestEcho(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serve(t, nil, func(io *socket.Server) {
			onConnection(io.Sockets(), func(s *socket.Socket) {
				echo(s)
				_ = s.On("who", func(args ...any) {
					user, _ := wrap.Context(s).Value(userKey{}).(string)
					room := wrap.Request(s).URL.Query().Get("room")
					args[0].(socket.Ack)([]any{user, room, s.Handshake().Auth}, nil)
				})
				_ = s.Emit("greeting", "text", types.NewBytesBuffer([]byte{3, 4}))
			})
		}, withUser)
		c := connect(t, v, s, func(sc *scenario) {
			sc.Options["query"] = object{"room": "one two"}
			sc.Options["auth"] = object{"token": "t"}
			sc.Options["extraHeaders"] = object{"X-User": "ann"}
			sc.Listen = []string{"greeting"}
		})
		if got := c.await(t, 1, "connect")[0]; got.ID == "" || !got.Connected {
			t.Errorf("connect: %s", got.raw)
		}
		check := func() {
			t.Helper()
			sent := []any{"text ü€", 42.0, object{"k": []any{nil, true}}, binary("AAEC/w=="), object{"deep": binary("")}}
			if got := c.call(t, "echo", sent...); !reflect.DeepEqual(got, sent) {
				t.Errorf("ack = %v, want %v", got, sent)
			}
		}
		check()
		// More than the 64 KB at which the host loses messages of long-polling.
		big := strings.Repeat("é", 50_000)
		if got := c.call(t, "echo", big); !reflect.DeepEqual(got, []any{big}) {
			t.Error("a long text came back changed")
		}
		if got, want := c.await(t, 1, "event")[0].Args, []any{"text", binary("AwQ=")}; !reflect.DeepEqual(got, want) {
			t.Errorf("event = %v, want %v", got, want)
		}
		who := []any{"ann", "one two", any(object{"token": "t"})}
		if v.client == 2 {
			who[2] = nil // version 2 has no auth
		}
		if got := c.call(t, "who"); !reflect.DeepEqual(got, who) {
			t.Errorf("who = %v, want %v", got, who)
		}
		if got := c.all("open")[0].Transport; got != v.transports[0] {
			t.Errorf("opened over %s", got)
		}
		if v.upgrades() {
			c.await(t, 1, "upgrade")
			check()
		}
		if got := len(c.all("upgrade")); !v.upgrades() && got != 0 {
			t.Errorf("%d upgrades", got)
		}
	})
}

// TestBurst: none of 200 consecutive events is lost, in whatever order they arrive, even
// during an upgrade.
func TestBurst(t *testing.T) {
	const events = 200
	each(t, func(t *testing.T, v variant) {
		s := serve(t, nil, func(io *socket.Server) {
			wrap.UseAll(io, wrap.Packet(func(context.Context, *socket.Socket, *wrap.Event) error { return nil }))
			onConnection(io.Sockets(), echo)
		})
		c := connect(t, v, s, func(sc *scenario) {
			sc.OnConnect = []action{{Do: "emit", Event: "echo", Ack: true, Times: events}}
		})
		seen := make(map[int]bool)
		for _, ack := range c.await(t, events, "ack") {
			if want := []any{float64(ack.Index)}; !reflect.DeepEqual(ack.Args, want) {
				t.Errorf("ack %d = %v", ack.Index, ack.Args)
			}
			seen[ack.Index] = true
		}
		if len(seen) != events {
			t.Errorf("%d different acks, want %d", len(seen), events)
		}
	})
}
