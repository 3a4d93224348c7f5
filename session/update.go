package session

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"time"
)

var errOther = errors.New("the cookie leads to another session")

// Reload looks at the store now. Calls that come while one is under way share one more look.
//
// It returns [ErrGone] if the session has ended, whose sockets are then disconnected, and
// [ErrUnavailable] if the store does not answer. A middleware can return these errors.
func (s *Session) Reload(ctx context.Context) error {
	if s == nil {
		return refusal(ErrMissing, nil)
	}
	called := time.Now()
	w, err := s.m.begin(ctx, s.key)
	if err != nil {
		return err
	}
	if s.isGone() {
		w.end()
		return refusal(ErrGone, nil)
	}
	if !s.values.Load().began.Before(called) {
		w.end()
		return nil // somebody has looked while we waited
	}
	_, err = s.fetch(ctx, w)
	w.end()
	return s.settle(err)
}

// Update changes the session: change gets its values as the store has them now, and what it
// makes of them is saved, unless it returns an error, which Update returns. Nobody else
// changes the session on this node meanwhile, so no change is lost; change must not work
// with the same session in another way, such as Reload or Destroy. If nothing was changed,
// nothing is saved, as far as that can be told: for a value with pointers it cannot. Keep
// values that are plain or registered with gob.
//
// Other nodes, and HTTP handlers that save the session by themselves, do not wait: if
// two save at the same moment the later one wins, as with any gorilla store. Let such
// handlers use [Manager.FromContext].
//
// It returns [ErrGone] if the session has ended, and does not bring it back. (A session
// that another node ends at that very moment is erased again when that node has notified
// this one, which requires an adapter for clusters.) It returns [ErrUnavailable] if the
// store does not answer, in which case it may have saved or not; and [ErrReadOnlyStore]
// for a store that keeps sessions in cookies alone, whose browser cannot be reached any
// more: use [Session.Renew]. ctx bounds how long it waits for others; a call of the store
// takes Options.Timeout at most, and there are two.
func (s *Session) Update(ctx context.Context, change func(values map[any]any) error) error {
	if s == nil {
		return refusal(ErrMissing, nil)
	}
	if s.readOnly {
		return refusal(ErrReadOnlyStore, nil)
	}
	w, err := s.m.begin(ctx, s.key)
	if err != nil {
		return err
	}
	var theirs error // the error of change: whatever it says is not about s
	err = func() error {
		defer w.end() // change may panic
		return s.update(ctx, w, func(values map[any]any) error {
			theirs = change(values)
			return theirs
		})
	}()
	if theirs != nil {
		return theirs
	}
	return s.settle(err)
}

// update is Update with the lock held.
func (s *Session) update(ctx context.Context, w *work, change func(values map[any]any) error) error {
	if s.isGone() {
		return refusal(ErrGone, nil)
	}
	st, err := s.load(ctx, w)
	if err != nil {
		return err
	}
	values, before := maps.Clone(st.values), freeze(st.values)
	if before != nil { // otherwise change may modify what the values point to
		seen := *st
		seen.values = before
		s.publish(&seen)
	}
	if err := change(values); err != nil {
		return err
	}
	delete(values, valueSaved)
	delete(values, valueGiven)
	delete(values, valueID)
	if before != nil && reflect.DeepEqual(before, values) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return refusal(ErrUnavailable, err)
	}
	_, err = s.store(ctx, w, st, values)
	return err
}

// load loads the session again.
func (s *Session) load(ctx context.Context, w *work) (*stored, error) {
	st, err := s.m.load(ctx, w, s.host, s.getCookie())
	if err == nil && st.key != s.key {
		return nil, refusal(ErrGone, errOther)
	}
	return st, err
}

// fetch loads the session again, and publishes it.
func (s *Session) fetch(ctx context.Context, w *work) (*stored, error) {
	st, err := s.load(ctx, w)
	if err == nil {
		s.publish(st)
	}
	return st, err
}

// store saves values, and publishes them.
func (s *Session) store(ctx context.Context, w *work, st *stored, values map[any]any) ([]string, error) {
	lead, id := lead{s.host, st.cookie}, st.ID
	w.late = func() { s.m.saved(s.key, lead) }
	cookies, err := s.m.save(ctx, w, s.host, st, values)
	if err != nil {
		return nil, err
	}
	w.late = nil
	st.began = time.Now() // loads during the save may have seen the old values
	s.m.wrote(s.key, lead, st.began)
	if s.isGone() || st.ID != id {
		// Another node, or a page, has ended it while we saved, and our save has brought
		// it back: some stores then make a new one, which nobody would look for.
		ctx := context.WithoutCancel(ctx)
		if _, err := s.m.erase(ctx, w, s.host, st); err != nil {
			s.m.warn(ctx, "an ended session is in the store again", err)
		}
		return nil, refusal(ErrGone, nil)
	}
	s.publish(st)
	return cookies, nil
}

// settle has the sockets disconnected if err says that the session has ended, and
// returns err. Not at once: an event that is refused with err gets its ack first.
func (s *Session) settle(err error) error {
	m := s.m
	switch {
	case !isGone(err):
	case m.closed.Load():
		m.putOut(s.key, s)
	default:
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, gone := range m.retireLocked(s.key, s) {
			gone.leaving = gone.clear()
			m.clock.Set(&gone.alarm, time.Now().Add(farewell))
		}
	}
	return err
}
