package main

import (
	"slices"
	"strings"

	"github.com/sioware/sioware/wrap"
)

// table is a game of tic-tac-toe. It knows nothing of connections: its players are
// openids. Its JSON is what they see.
type table struct {
	ID      int      `json:"id"`
	Players []player `json:"players"` // X, and O as soon as there is one
	Board   string   `json:"board"`   // nine cells: ".", "X" or "O"
	Turn    string   `json:"turn"`    // whose turn it is; "" before and after the game
	Over    string   `json:"over"`    // why the game ended: line, full, left or gone
	Winner  string   `json:"winner"`
}

type player struct {
	OpenID string `json:"openid"`
	State  state  `json:"state"`
}

// state is what others are told about a player. There is none for reconnecting: a player
// stays online until the grace period has passed.
type state string

const (
	online state = "online"
	away   state = "away" // connected, but nobody answers
	gone   state = "gone"
)

var (
	errNoTable   = &wrap.Error{Code: "no_table", Message: "You sit at no table"}
	errTurn      = &wrap.Error{Code: "not_your_turn", Message: "It is not your turn"}
	errCell      = &wrap.Error{Code: "cell_taken", Message: "There is no such cell, or it is taken"}
	errForbidden = &wrap.Error{Code: "forbidden", Message: "There is no such event"}
)

func newTable(id int) *table { return &table{ID: id, Board: "........."} }

// sit gives a player a seat. The first one moves first.
func (t *table) sit(openid string) {
	t.Players = append(t.Players, player{openid, online})
	if len(t.Players) == 2 {
		t.Turn = t.Players[0].OpenID
	}
}

// other returns the opponent of a player, or "".
func (t *table) other(openid string) string {
	for _, p := range t.Players {
		if p.OpenID != openid {
			return p.OpenID
		}
	}
	return ""
}

// set sets the state of a player, and reports whether it is new.
func (t *table) set(openid string, s state) bool {
	i := slices.IndexFunc(t.Players, func(p player) bool { return p.OpenID == openid })
	if i < 0 || t.Players[i].State == s {
		return false
	}
	t.Players[i].State = s
	return true
}

var lines = [][3]int{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {0, 3, 6}, {1, 4, 7}, {2, 5, 8}, {0, 4, 8}, {2, 4, 6}}

// move puts a player's mark into a cell, which may be anything the client has sent.
func (t *table) move(openid string, args []any) error {
	if openid != t.Turn {
		return errTurn
	}
	if len(args) != 1 {
		return errCell
	}
	i := slices.Index([]any{0., 1., 2., 3., 4., 5., 6., 7., 8.}, args[0])
	if i < 0 || t.Board[i] != '.' {
		return errCell
	}
	mark := "X"
	if openid != t.Players[0].OpenID {
		mark = "O"
	}
	t.Board = t.Board[:i] + mark + t.Board[i+1:]
	t.Turn = t.other(openid)
	won := func(l [3]int) bool {
		return t.Board[l[0]] == mark[0] && t.Board[l[1]] == mark[0] && t.Board[l[2]] == mark[0]
	}
	switch {
	case slices.ContainsFunc(lines, won):
		t.end(openid, "line")
	case !strings.Contains(t.Board, "."):
		t.end("", "full")
	}
	return nil
}

func (t *table) end(winner, why string) { t.Turn, t.Winner, t.Over = "", winner, why }

// snapshot returns a copy of t.
func (t *table) snapshot() *table {
	now := *t
	now.Players = slices.Clone(t.Players)
	return &now
}
