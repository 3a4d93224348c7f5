//go:build unix

package main

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// TestNodeGone: a node is killed, or stopped. Its clients come back through nginx, to the
// other node, and only those who do not come back are seen to leave.
func TestNodeGone(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			d := deploy(t)
			witness := d.signInAt(t, "a", "ada", "websocket").connect(t)
			browsers, clients := make(map[string]*browser), make(map[string]*siotest.Client)
			for i, user := range users[1:] {
				node := "b"
				if user == "eve" {
					node = "a"
				}
				browsers[user] = d.signInAt(t, node, user, kinds[i%3])
				clients[user] = browsers[user].connect(t)
			}
			awaitLobby(t, witness, "ada[a] bob[b] cleo[b] dan[b] eve[a] fay[b]")

			d.b.Signal(t, sig)
			<-d.b.Exited()
			if err := d.b.Err(); sig == syscall.SIGTERM && err != nil {
				t.Error(err, d.b.Stderr())
			}
			for user, c := range clients {
				if user == "eve" {
					continue // not affected
				}
				awaitGone(t, user, c)
				if user != "fay" { // she does not come back
					clients[user] = browsers[user].failOver(t, c)
				}
			}
			awaitLobby(t, witness, "ada[a] bob[a] cleo[a] dan[a] eve[a]")
			for {
				got, _ := witness.NextEvent(t, "online").Args()[0].(object)
				if got["action"] == "leave" && got["user"] == "fay" {
					break
				}
				if got["action"] == "leave" {
					t.Errorf("was told %v", got)
				}
			}
			for user, c := range clients {
				if user != "fay" {
					ask(t, c, "exchange", object{"target": "ada", "payload": "I am " + user})
					got, _ := witness.NextEvent(t, "exchange").Args()[0].(object)
					if got["from"] != user {
						t.Errorf("got %v, want it from %s", got, user)
					}
				}
			}

			// The node comes back. New clients go there, connected ones stay where they
			// are.
			d.b = d.node(t, "b", strings.TrimPrefix(d.b.URL, "http://"))
			d.signInAt(t, "b", "fay", "polling").connect(t)
			for user, c := range clients {
				if user != "fay" {
					if got := ask(t, c, "who")["node"]; got != "a" {
						t.Errorf("%s is answered by %v", user, got)
					}
				}
			}
			awaitLobby(t, witness, "ada[a] bob[a] cleo[a] dan[a] eve[a] fay[b]")
		})
	}
}

// awaitGone waits until the connection of c has ended.
func awaitGone(t *testing.T, user string, c *siotest.Client) {
	t.Helper()
	within(t, 20*time.Second, func() string {
		select {
		case <-c.Done():
			return ""
		default:
			return user + " is still there"
		}
	})
}

// failOver connects b again, whose connection c to node b has ended: to node a.
func (b *browser) failOver(t *testing.T, c *siotest.Client) *siotest.Client {
	t.Helper()
	if b.kind == "polling" {
		// Polls fail over as well: the client is told that its session is gone, and where
		// to connect.
		res, answer := b.do(t, http.MethodGet, "/socket.io/?EIO=4&transport=polling&sid="+url.QueryEscape(c.SID), nil, nil)
		if res.StatusCode != http.StatusBadRequest || answer["message"] != "Session ID unknown" || *b.jar != "cluster_node=a" {
			t.Errorf("%s: got %d, %v, then goes by %s", b.user, res.StatusCode, answer, *b.jar)
		}
	}
	again := b.connect(t)
	if b.node != "a" || *b.jar != "cluster_node=a" {
		t.Errorf("%s is on %s, with the cookie %s", b.user, b.node, *b.jar)
	}
	return again
}
