package siotest

import (
	"runtime"
	"testing"

	"github.com/zishang520/socket.io/v2/socket"
)

func TestGarbage(t *testing.T) {
	t.Parallel()
	var g Garbage
	s := new(socket.Socket)
	if g.Add(s) != 1 || g.Add(new(socket.Socket)) != 2 {
		t.Error("miscounted")
	}
	g.Await(t, 2, 1)
	if all, kept := g.look(); all != 2 || kept != 1 {
		t.Errorf("%d, of which %d are kept", all, kept)
	}
	runtime.KeepAlive(s)
	g.Await(t, 2, 0)
}
