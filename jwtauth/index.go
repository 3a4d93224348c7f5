package jwtauth

import "sync"

// index finds the members that a revocation concerns. Each member is in two
// lists and knows its place in them, so that removing it costs the same however
// many sockets a user has.
type index[C any] struct {
	mu    sync.Mutex
	lists [2]map[string][]*member[C]
}

const (
	byID = iota
	bySubject
)

func (x *index[C]) init() {
	for i := range x.lists {
		x.lists[i] = make(map[string][]*member[C])
	}
}

func keysOf[C any](id *Identity[C]) [2]string { return [2]string{byID: id.ID, bySubject: id.Subject} }

func (x *index[C]) add(m *member[C], id *Identity[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, key := range keysOf(id) {
		x.put(i, key, m)
	}
}

func (x *index[C]) put(i int, key string, m *member[C]) {
	m.slots[i] = len(x.lists[i][key])
	x.lists[i][key] = append(x.lists[i][key], m)
}

func (x *index[C]) remove(m *member[C], id *Identity[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, key := range keysOf(id) {
		x.take(i, key, m)
	}
}

func (x *index[C]) take(i int, key string, m *member[C]) {
	list := x.lists[i][key]
	last := len(list) - 1
	if m.slots[i] > last || list[m.slots[i]] != m {
		return
	}
	list[m.slots[i]] = list[last]
	list[m.slots[i]].slots[i] = m.slots[i]
	list[last] = nil
	if last == 0 {
		delete(x.lists[i], key)
		return
	}
	x.lists[i][key] = list[:last]
}

// move follows a change of identity within one subject.
func (x *index[C]) move(m *member[C], before, after *Identity[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.take(byID, before.ID, m)
	x.put(byID, after.ID, m)
}

// find returns the members in list i under key.
func (x *index[C]) find(i int, key string) []*member[C] {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]*member[C](nil), x.lists[i][key]...)
}

func (x *index[C]) all() (members []*member[C]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, list := range x.lists[byID] {
		members = append(members, list...)
	}
	return members
}
