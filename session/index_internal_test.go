package session

import (
	"math/rand/v2"
	"testing"

	"github.com/zishang520/socket.io/v2/socket"
)

// TestSeats: sockets come and go in any order. Each knows its place, and to leave moves
// one other at most.
func TestSeats(t *testing.T) {
	t.Parallel()
	var s Session
	var here, gone []*seat
	for range 10_000 {
		switch n := len(here); {
		case n == 0 || n < 1000 && rand.IntN(2) == 0:
			here = append(here, s.take(new(socket.Socket)))
		default:
			i := rand.IntN(n)
			p := here[i]
			at := p.at
			s.leave(p)
			if last := len(s.seats); at < last && s.seats[at].at != at || p.at != -1 {
				t.Fatal("the place was not filled")
			}
			here[i] = here[n-1]
			here, gone = here[:n-1], append(gone, p)
		}
		if len(gone) > 0 {
			s.leave(gone[rand.IntN(len(gone))]) // again, which does nothing
		}
		if len(s.seats) != len(here) {
			t.Fatalf("%d places, %d sockets", len(s.seats), len(here))
		}
	}
	want := make(map[*socket.Socket]bool)
	for _, p := range here {
		if p.at < 0 || s.seats[p.at] != p {
			t.Fatal("a wrong place")
		}
		want[p.so] = true
	}
	for _, so := range s.clear() {
		if !want[so] {
			t.Error("a socket that has left, or twice")
		}
		delete(want, so)
	}
	if len(want) != 0 || s.seats != nil {
		t.Errorf("%d sockets are missing", len(want))
	}
	for _, p := range here {
		if s.leave(p); p.at != -1 {
			t.Error("a place after all were taken")
		}
	}
}

// TestIndex: Sessions are found by key, and by the cookie that a browser has, as long as
// they are there. Where one cookie led to two of them, the other one stays.
func TestIndex(t *testing.T) {
	t.Parallel()
	var x index
	if x.find("k", "a") != nil {
		t.Error("found in nothing")
	}
	one := &Session{key: "k", shown: "a"}
	x.add(one)
	x.show(one, "b")
	if x.find("k", "whatever") != one || x.byCookie["a"] != nil || x.byCookie["b"] != one {
		t.Error("not found by its latest cookie")
	}
	x.remove(one)
	apart := []*Session{{key: "k", shown: "a", readOnly: true}, {key: "k", shown: "b", readOnly: true}}
	for _, s := range apart {
		x.add(s)
	}
	for _, s := range apart {
		if x.find("k", s.shown) != s || x.byCookie[s.shown] != s {
			t.Errorf("%s not found", s.shown)
		}
	}
	if x.find("k", "c") != nil {
		t.Error("another cookie leads to one of them")
	}
	x.byCookie["a"] = apart[1]
	x.remove(apart[0])
	if x.find("k", "a") != nil || x.find("k", "b") != apart[1] || x.byCookie["a"] != apart[1] {
		t.Error("the wrong one was removed")
	}
	delete(x.byCookie, "a")
	x.remove(apart[1])
	if len(x.byKey) != 0 || len(x.byCookie) != 0 {
		t.Errorf("left: %v, %v", x.byKey, x.byCookie)
	}
}
