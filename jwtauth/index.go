package jwtauth

import "sync"

// index finds the sessions that a revocation concerns. Each session is in two
// lists and knows its place in them, so that removing it costs the same however
// many sockets a user has.
type index[C any] struct {
	mu    sync.Mutex
	lists [2]map[string][]*session[C]
}

const (
	byID = iota
	bySubject
)

func (x *index[C]) init() {
	for i := range x.lists {
		x.lists[i] = make(map[string][]*session[C])
	}
}

func keysOf[C any](id *Identity[C]) [2]string { return [2]string{byID: id.ID, bySubject: id.Subject} }

func (x *index[C]) add(n *session[C], id *Identity[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, key := range keysOf(id) {
		x.put(i, key, n)
	}
}

func (x *index[C]) put(i int, key string, n *session[C]) {
	n.slots[i] = len(x.lists[i][key])
	x.lists[i][key] = append(x.lists[i][key], n)
}

func (x *index[C]) remove(n *session[C], id *Identity[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, key := range keysOf(id) {
		x.take(i, key, n)
	}
}

func (x *index[C]) take(i int, key string, n *session[C]) {
	list := x.lists[i][key]
	last := len(list) - 1
	if n.slots[i] > last || list[n.slots[i]] != n {
		return
	}
	list[n.slots[i]] = list[last]
	list[n.slots[i]].slots[i] = n.slots[i]
	list[last] = nil
	if last == 0 {
		delete(x.lists[i], key)
		return
	}
	x.lists[i][key] = list[:last]
}

// move follows a change of identity within one subject.
func (x *index[C]) move(n *session[C], before, after *Identity[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.take(byID, before.ID, n)
	x.put(byID, after.ID, n)
}

// find returns the sessions in list i under key.
func (x *index[C]) find(i int, key string) []*session[C] {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]*session[C](nil), x.lists[i][key]...)
}

func (x *index[C]) all() (sessions []*session[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, list := range x.lists[byID] {
		sessions = append(sessions, list...)
	}
	return sessions
}
