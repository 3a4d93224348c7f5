package jwtauth

import (
	"context"
	"errors"
	"time"

	"github.com/sioware/sioware/internal/deadline"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Revoke makes tokens invalid before they expire, on all nodes that share the
// Store: whoever connects or refreshes with one is refused with code
// token_revoked, and sockets connected with one are disconnected, with that
// code in the event "kicked". It returns how many sockets of this node were;
// those of other nodes follow when the Store tells them, in well under a second
// with package redisstore. After an error the revocation is not certain to
// hold, though the sockets of this node are disconnected: call Revoke again.
// It waits for their listeners of "disconnect", but no longer than 10 seconds,
// whatever ctx says.
func (a *Auth[C]) Revoke(ctx context.Context, r Revocation) (int, error) {
	if (r.ID == "") == (r.Subject == "") {
		return 0, errors.New("jwtauth: Revoke: set either ID or Subject")
	}
	if r.Until.IsZero() {
		r.Until = time.Now().Add(a.keep())
	}
	r.Until = r.Until.Add(a.opts.Leeway) // as long as the tokens are accepted
	concerned := a.concerned(r)
	err := a.opts.Store.Revoke(ctx, r)
	count := 0
	var sockets []*socket.Socket
	for _, m := range append(concerned, a.concerned(r)...) {
		if !m.revoked.Swap(true) { // one that an earlier call has disconnected may still be in the index
			count++
		}
		if s := m.socket.Value(); s != nil {
			sockets = append(sockets, s)
		}
	}
	// A listener that hangs must not keep the other sockets connected.
	deadline.Each(sockets, timeout, func(s *socket.Socket) { wrap.Kick(s, refusal(ErrRevoked, nil)) })
	return count, err
}

// concerned returns the members whose tokens r revokes.
func (a *Auth[C]) concerned(r Revocation) (members []*member[C]) {
	list, key := bySubject, r.Subject
	if r.ID != "" {
		list, key = byID, r.ID
	}
	for _, m := range a.index.find(list, key) {
		if revokes(r, m.identity.Load()) {
			members = append(members, m)
		}
	}
	return members
}

// revokes reports whether r is about the token of id, an identity that the index has
// found for r.
func revokes[C any](r Revocation, id *Identity[C]) bool {
	switch {
	case id == nil: // a guest since its token expired
		return false
	case r.ID != "":
		return id.ID == r.ID
	}
	return id.Subject == r.Subject && id.IssuedAt.Before(r.Before)
}

// changed is called by the store. It must not block: the workers of the clocks do the rest.
func (a *Auth[C]) changed(c Change) {
	switch {
	case c.Revocation.ID != "" || c.Revocation.Subject != "":
		for _, m := range a.concerned(c.Revocation) {
			m.condemn(refusal(ErrRevoked, nil), func(id *Identity[C]) bool { return revokes(c.Revocation, id) })
		}
	case c.Login.Subject != "":
		for _, m := range a.index.find(bySubject, c.Login.Subject) {
			// Ask the store: c may be out of date, and m the newer login.
			if id := m.identity.Load(); id != nil && id.Issuer == c.Login.Issuer && id.Login != c.Login.Name {
				m.doubt(0)
			}
		}
	default:
		for _, m := range a.index.all() {
			m.doubt(0)
		}
	}
}
