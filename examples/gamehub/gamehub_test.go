package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/siotest"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	p := start(t, usual())
	status, answer := p.post(t, `{"code": "ada"}`)
	if status != http.StatusOK || answer["openid"] != "openid-ada" || answer["expiresInMs"] != 3600_000. {
		t.Errorf("got %d, %v", status, answer)
	}
	for _, test := range []struct {
		body, code string
		status     int
	}{
		{`{"code": ""}`, "code_invalid", 403},
		{`{"code": "Ada Lovelace"}`, "code_invalid", 403},
		{`{}`, "code_invalid", 403},
		{`code=ada`, "http_400", 400},
		{strings.Repeat(" ", 2000) + `{"code": "ada"}`, "http_400", 400},
	} {
		if status, answer := p.post(t, test.body); status != test.status || answer["code"] != test.code || answer["token"] != nil {
			t.Errorf("%.30s: got %d, %v", test.body, status, answer)
		}
	}
}

// TestRefused: without a valid token nobody gets in, and "/" is no way around it.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		p := start(t, usual())
		expired := minutes("openid-ada")
		expired["exp"] = time.Now().Add(-time.Second).Unix()
		for token, want := range map[string]string{
			"":                                      "token_missing",
			"garbage":                               "token_invalid",
			p.token(t, "ada") + "x":                 "token_invalid",
			p.sign(t, expired):                      "token_expired",
			p.sign(t, minutes("")):                  "token_invalid",
			p.sign(t, minutes(1)):                   "token_invalid",
			p.sign(t, jwt.MapClaims{"openid": "x"}): "token_invalid",
		} {
			c := p.dial(t, k, token)
			for range 2 { // with Engine.IO 3 from "/" and from "/user"
				refused := c.ConnectError(t)
				if code(refused.Data) != want {
					t.Errorf("%.20s: got %v, want %s", token, refused, want)
				}
				if k.eio == 4 {
					break
				}
			}
			c.Close()
		}
		if n, err := p.online.Count(t.Context(), ""); n != 0 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestGame(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		p := start(t, usual())
		ada, bob := p.game(t, k)
		players := []player{{"openid-ada", online}, {"openid-bob", online}}
		boards := []string{"X........", "X..O.....", "XX.O.....", "XX.OO....", "XXXOO...."}
		for i, cell := range []int{0, 3, 1, 4, 2} {
			mover, other, turn := ada, bob, "openid-bob"
			if i%2 == 1 {
				mover, other, turn = bob, ada, "openid-ada"
			}
			want := table{Players: players, Board: boards[i], Turn: turn}
			if i == 4 {
				want.Turn, want.Over, want.Winner = "", "line", "openid-ada"
			}
			sees(t, mover, mover.EmitAck(t, "move", cell).Args(), want)
			shown(t, other, want)
		}
		if got := code(ada.EmitAck(t, "move", 5).Args()[0]); got != "no_table" {
			t.Errorf("after the game: got %v", got)
		}
		ada.EmitAck(t, "join")
		next(t, ada, "table")
		sees(t, ada, ada.EmitAck(t, "leave").Args(), table{
			Players: players[:1], Board: ".........", Over: "left",
		})
	})
}

func TestDraw(t *testing.T) {
	t.Parallel()
	g := newTable(1)
	g.sit("a")
	g.sit("b")
	for i, cell := range []float64{0, 4, 8, 1, 7, 6, 2, 5, 3} {
		if err := g.move([]string{"a", "b"}[i%2], []any{cell}); err != nil {
			t.Fatal(i, err)
		}
	}
	if g.Over != "full" || g.Winner != "" || g.Turn != "" {
		t.Errorf("%+v", g)
	}
}

func TestCommandRefused(t *testing.T) {
	t.Parallel()
	p := start(t, usual())
	cleo, _ := p.enter(t, kinds[0], "cleo")
	if got := code(cleo.EmitAck(t, "move", 0).Args()[0]); got != "no_table" {
		t.Errorf("without a table: got %v", got)
	}
	ada, bob := p.game(t, kinds[0])
	ada.EmitAck(t, "join") // joining again changes nothing
	ada.EmitAck(t, "move", 4)
	for _, test := range []struct {
		by    *siotest.Client
		event string
		args  []any
		code  string
	}{
		{ada, "move", []any{0}, "not_your_turn"},
		{bob, "move", []any{4}, "cell_taken"},
		{bob, "move", []any{9}, "cell_taken"},
		{bob, "move", []any{-1}, "cell_taken"},
		{bob, "move", []any{0.5}, "cell_taken"},
		{bob, "move", []any{"0"}, "cell_taken"},
		{bob, "move", []any{[]any{}}, "cell_taken"},
		{bob, "move", nil, "cell_taken"},
		{bob, "kick", []any{"ada"}, "forbidden"},
	} {
		if got := code(test.by.EmitAck(t, test.event, test.args...).Args()[0]); got != test.code {
			t.Errorf("%s %v: got %v, want %s", test.event, test.args, got, test.code)
		}
	}
}

// lost ends a connection, and waits until the server has noticed.
func (p *program) lost(t *testing.T, k kind, c *siotest.Client, openid string) {
	t.Helper()
	if k.polling {
		c.Close() // after a kill, only the ping timeout might tell
	} else {
		c.Kill()
	}
	siotest.Eventually(t, "the connection is lost", func() bool {
		st, err := p.online.Status(t.Context(), openid)
		return err == nil && len(st[0].Devices) == 0
	})
}

// TestShortReconnect: players who come back in time have a new socket.id and their old
// seat, and the opponent has noticed nothing.
func TestShortReconnect(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		p := start(t, usual())
		ada, bob := p.game(t, k)
		ids := map[string]bool{ada.SID: true}
		for _, cell := range []int{0, 1} {
			p.lost(t, k, ada, "openid-ada")
			var seat *table
			ada, seat = p.enter(t, k, "ada")
			if ids[ada.SID] || seat == nil || seat.Turn != "openid-ada" {
				t.Fatalf("back as %s at %+v", ada.SID, seat)
			}
			ids[ada.SID] = true
			ada.EmitAck(t, "move", cell)
			next(t, bob, "table") // and nothing before it
			bob.EmitAck(t, "move", cell+3)
			next(t, bob, "table")
		}
		if g := read[table](t, ada.EmitAck(t, "move", 2).Args()); g.Winner != "openid-ada" {
			t.Errorf("%+v", g)
		}
	})
}

// TestGone: players who do not come back in time give up the table.
func TestGone(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		c := usual()
		c.grace = 200 * time.Millisecond
		p := start(t, c)
		ada, bob := p.game(t, k)
		ada.Close()
		if got := read[player](t, next(t, bob, "player")); got != (player{"openid-ada", gone}) {
			t.Errorf("got %+v", got)
		}
		shown(t, bob, table{
			Players: []player{{"openid-ada", gone}, {"openid-bob", online}},
			Board:   ".........", Over: "gone", Winner: "openid-bob",
		})
		if _, seat := p.enter(t, k, "ada"); seat != nil {
			t.Errorf("back at %+v", seat)
		}
		bob.EmitAck(t, "join")
		next(t, bob, "table")
		bob.Close()
		siotest.Eventually(t, "the seat at the empty table is free", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.tables) == 0 && p.waiting == nil
		})
	})
}

// TestSecondPhone: players who sign in elsewhere are signed out here, and keep their seat
// there. The same applies to a broken connection that the server has not noticed yet.
func TestSecondPhone(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		p := start(t, usual())
		old, bob := p.game(t, k)
		phone, seat := p.enter(t, k, "ada")
		if seat == nil || seat.Turn != "openid-ada" {
			t.Errorf("at %+v", seat)
		}
		if got := code(old.NextEvent(t, "kicked").Args()[0]); got != "replaced" {
			t.Errorf("kicked: got %v", got)
		}
		for old.Next(t).Type != siotest.TypeDisconnect {
		}
		phone.EmitAck(t, "move", 0)
		if g := read[table](t, next(t, bob, "table")); g.Board != "X........" {
			t.Errorf("%+v", g)
		}
	})
}

// TestAway: players whose heart-beat stops are away, and back when it resumes.
func TestAway(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		c := usual()
		c.beat = 20 * time.Millisecond
		p := start(t, c)
		ada, _ := p.enter(t, k, "ada")
		bob, _ := p.enter(t, k, "bob")
		ada.EmitAck(t, "join")
		bob.EmitAck(t, "join")
		// On a busy machine ada may be away before bob arrives: then the table says so.
		now := online
		until := func(want state) {
			t.Helper()
			for begin := time.Now(); now != want; {
				if time.Since(begin) > 10*time.Second {
					t.Fatalf("ada is %s, want %s", now, want)
				}
				switch got := bob.Next(t); got.Event() {
				case "table":
					now = read[table](t, got.Args()).Players[0].State
				case "player":
					if change := read[player](t, got.Args()); change.OpenID == "openid-ada" {
						now = change.State
					}
				}
			}
		}
		until(away)
		ada.Emit("beat_res")
		until(online)
		until(away)
		// So is a player in the background who is disconnected and comes back.
		ada.Close()
		p.enter(t, k, "ada")
		until(online)
	})
}

// TestRun: run serves, and shuts down gracefully.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, quiet, in, usual())
		in.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSpace(strings.TrimPrefix(said, "The hub is at "))
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(base + "/login")
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET /login: %v, %v", res, err)
	}
	res.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*config){
		"no such address":  func(c *config) { c.addr = "127.0.0.1:none" },
		"no lifetime":      func(c *config) { c.token = 0 },
		"no grace":         func(c *config) { c.grace = 0 },
		"too long a grace": func(c *config) { c.grace = 2 * time.Hour },
		"no beat":          func(c *config) { c.beat = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			c := usual()
			edit(&c)
			if err := run(t.Context(), quiet, io.Discard, c); err == nil {
				t.Error("got nil")
			}
		})
	}
}
