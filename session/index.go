package session

import (
	"slices"

	"github.com/zishang520/socket.io/v2/socket"
)

// index holds the Sessions that have sockets. The Manager's lock guards it.
type index struct {
	// By key. There is one per key, except in a store that keeps sessions in
	// cookies: another cookie of the same session has other values.
	byKey map[string][]*Session
	// By the cookie that a browser has.
	byCookie map[string]*Session
}

// find returns the Session that a cookie leads to, or nil.
func (x *index) find(key, cookie string) *Session {
	for _, s := range x.byKey[key] {
		if !s.readOnly || s.shown == cookie {
			return s
		}
	}
	return nil
}

// add adds s, whose first socket comes with a cookie.
func (x *index) add(s *Session) {
	if x.byKey == nil {
		x.byKey, x.byCookie = make(map[string][]*Session), make(map[string]*Session)
	}
	x.byKey[s.key] = append(x.byKey[s.key], s)
	x.byCookie[s.shown] = s
}

// show records the cookie that a browser has.
func (x *index) show(s *Session, cookie string) {
	if s.shown == cookie {
		return
	}
	x.forget(s)
	s.shown = cookie
	x.byCookie[cookie] = s
}

// remove removes s.
func (x *index) remove(s *Session) {
	x.forget(s)
	left := slices.DeleteFunc(x.byKey[s.key], func(other *Session) bool { return other == s })
	if len(left) == 0 {
		delete(x.byKey, s.key)
		return
	}
	x.byKey[s.key] = left
}

func (x *index) forget(s *Session) {
	if x.byCookie[s.shown] == s {
		delete(x.byCookie, s.shown)
	}
}

// seat is the place of a socket among those of its Session.
type seat struct {
	so *socket.Socket
	at int // in Session.seats; -1 if it has left. The Manager's lock guards it.
}

// take gives so a seat.
func (s *Session) take(so *socket.Socket) *seat {
	p := &seat{so, len(s.seats)}
	s.seats = append(s.seats, p)
	return p
}

// leave gives a seat back.
func (s *Session) leave(p *seat) {
	if p.at < 0 {
		return
	}
	last := len(s.seats) - 1
	s.seats[p.at] = s.seats[last]
	s.seats[p.at].at = p.at
	s.seats[last] = nil
	s.seats = s.seats[:last]
	p.at = -1
}

// clear empties all seats, and returns the sockets that had them.
func (s *Session) clear() []*socket.Socket {
	sockets := make([]*socket.Socket, 0, len(s.seats))
	for _, p := range s.seats {
		sockets = append(sockets, p.so)
		p.at = -1
	}
	s.seats = nil
	return sockets
}
