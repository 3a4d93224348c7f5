package jwtauth

import (
	"cmp"
	"net/http"

	"github.com/zishang520/socket.io/v2/socket"
)

// Indexed returns how many members can be found by a revocation.
func Indexed[C any](a *Auth[C]) int { return len(a.index.all()) }

// IndexKeys returns how many lists the index has.
func IndexKeys[C any](a *Auth[C]) int {
	a.index.mu.Lock()
	defer a.index.mu.Unlock()
	return len(a.index.lists[byID]) + len(a.index.lists[bySubject])
}

// Armed returns how many alarms are set.
func Armed[C any](a *Auth[C]) int { return a.clock.Len() }

// Planned returns how many questions to the store, and news, are to come.
func Planned[C any](a *Auth[C]) int { return a.chores.Len() }

// Find returns the token that a client has sent.
func Find(sources []Source, auth any, r *http.Request) (string, error) {
	late, early, err := find(sources, auth, r)
	return cmp.Or(late.token, early.token), err
}

// Scrub takes the tokens out of r.
var Scrub = scrubRequest

// Owner returns the room of the sockets that may recover the state of id's.
var Owner = owner[Claims]

// Members returns n sessions with the identity id, indexed and armed.
func Members[C any](a *Auth[C], n int, id *Identity[C]) (keep []any) {
	s := new(socket.Socket) // it is never told anything
	for range n {
		one := *id
		x := newMember(a, s, &one)
		a.index.add(x, &one)
		x.start()
		keep = append(keep, x)
	}
	return append(keep, s)
}

// Leave ends one of Members.
func Leave[C any](_ *Auth[C], one any) { one.(*member[C]).end() }
