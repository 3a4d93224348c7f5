package session

import "time"

// recent remembers values for between one and two lives, and no more than twice max of
// them, since clients can influence how many there are.
type recent[V any] struct {
	life       time.Duration
	max        int
	young, old map[string]V
	since      time.Time // when young was begun
}

func (r *recent[V]) add(key string, v V, now time.Time) {
	r.age(now)
	if len(r.young) >= r.max {
		r.old, r.young, r.since = r.young, nil, now
	}
	if r.young == nil {
		r.young = make(map[string]V)
	}
	r.young[key] = v
}

func (r *recent[V]) get(key string, now time.Time) (v V, ok bool) {
	r.age(now)
	if v, ok = r.young[key]; !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

func (r *recent[V]) has(key string, now time.Time) bool {
	_, ok := r.get(key, now)
	return ok
}

// age forgets what is old enough.
func (r *recent[V]) age(now time.Time) {
	switch age := now.Sub(r.since); {
	case age >= 2*r.life:
		r.old, r.young, r.since = nil, nil, now
	case age >= r.life:
		r.old, r.young, r.since = r.young, nil, now
	}
}
