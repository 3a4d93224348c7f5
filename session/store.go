package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// Values of ours that are in each session that we save. All are strings, which
// every encoding preserves.
const (
	valueSaved = "sioware:saved" // when it was saved, in Unix seconds
	valueGiven = "sioware:given" // when a browser last got its cookie, likewise
	valueID    = "sioware:id"    // the ID of a session whose store gives none
)

var (
	errNothing = errors.New("the store returned neither a session nor an error")
	errDeletes = errors.New("the store deletes sessions whose MaxAge is 0: set another")
	errLost    = errors.New("the store did not set the cookie")
)

// stored is a session as the store has it.
type stored struct {
	*sessions.Session
	values   map[any]any // without valueSaved and the like; our own copy
	key      string
	cookie   string // that leads to it
	readOnly bool   // it is kept in its cookie alone
	saved    time.Time
	given    time.Time // when a browser last got the cookie
	began    time.Time // when it was loaded
}

// request returns a request that a store may do with as it likes: gorilla's replaces
// *r to keep what it has loaded (sessions.go:100). It has no header but the cookie.
func (m *Manager) request(ctx context.Context, host, cookie string) *http.Request {
	h := make(http.Header, 1)
	if cookie != "" {
		h["Cookie"] = []string{m.name + "=" + cookie}
	}
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: "/"}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Host: host, Body: http.NoBody,
	}
	return r.WithContext(ctx)
}

// load returns the session that cookie leads to. If there is none it returns ErrGone,
// along with a stored that holds no more than key and cookie, if they are known.
func (m *Manager) load(ctx context.Context, w *work, host, cookie string) (*stored, error) {
	return call(ctx, w, func(ctx context.Context) (*stored, error) {
		began := time.Now()
		s, err := m.store.New(m.request(ctx, host, cookie), m.name)
		switch {
		case err == nil && s == nil:
			return nil, refusal(ErrUnavailable, errNothing)
		case err == nil && !s.IsNew:
			return m.read(s, cookie, began)
		case err == nil || m.unknown(err):
			gone := refusal(ErrGone, withoutPath(err))
			if s == nil || s.ID == "" {
				return nil, gone
			}
			// The cookie is valid, and once led to a session.
			st := &stored{key: m.keyOf(s.ID), cookie: cookie}
			m.mu.Lock()
			gone.RetryAfter = m.retryLocked(st.key)
			m.mu.Unlock()
			return st, gone
		}
		var network net.Error
		if m.opts.Unknown == nil && !errors.As(err, &network) && ctx.Err() == nil {
			// A store of the application's may say so with an error of its own.
			err = fmt.Errorf("%w (if that means no such session, set Options.Unknown)", withoutPath(err))
		}
		return nil, unavailable(err)
	})
}

// unavailable returns the error for a store that has not done what it should.
func unavailable(err error) error { return refusal(ErrUnavailable, withoutPath(err)) }

// withoutPath returns err without the path of a file: the path where gorilla's
// FilesystemStore keeps a session contains the session's ID, which is a secret.
func withoutPath(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return fmt.Errorf("%s: %w", file.Op, file.Err)
	}
	return err
}

// unknown reports whether err says that there is no such session, rather than
// that it could not be looked up.
func (m *Manager) unknown(err error) bool {
	var codec securecookie.Error
	return m.opts.Unknown != nil && m.opts.Unknown(err) || errors.Is(err, fs.ErrNotExist) || errors.As(err, &codec) && codec.IsDecode() && !codec.IsInternal() && !codec.IsUsage()
}

// read returns from in our form. A store may keep what it has returned, so from is not
// ours to change.
func (m *Manager) read(from *sessions.Session, cookie string, began time.Time) (*stored, error) {
	own := *from
	s := &own
	st := &stored{Session: s, values: make(map[any]any, len(s.Values)), cookie: cookie, began: began}
	for k, v := range s.Values {
		if k != valueSaved && k != valueGiven && k != valueID {
			st.values[k] = v
		}
	}
	st.saved, st.given = stamp(s.Values[valueSaved]), stamp(s.Values[valueGiven])
	id := s.ID
	if id == "" {
		st.readOnly = true
		if id, _ = s.Values[valueID].(string); id == "" {
			id = "cookie " + cookie // we have not made it
		}
	}
	st.key = m.keyOf(id)
	options := sessions.Options{Path: "/"}
	if s.Options != nil {
		options = *s.Options
	}
	s.Options = &options
	m.options.Store(&options)
	return st, nil
}

// stamp returns the time in a value of ours, or the zero time if v is not one.
func stamp(v any) time.Time {
	if text, ok := v.(string); ok {
		if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
			return time.Unix(seconds, 0)
		}
	}
	return time.Time{}
}

// save saves values as what the session holds, and returns the Set-Cookie headers.
// st then has the new cookie.
func (m *Manager) save(ctx context.Context, w *work, host string, st *stored, values map[any]any) ([]string, error) {
	if st.ID != "" && st.Options.MaxAge <= 0 {
		return nil, &refusedStore{errDeletes}
	}
	now := time.Now()
	all := make(map[any]any, len(values)+3)
	for k, v := range values {
		all[k] = v
	}
	all[valueSaved] = strconv.FormatInt(now.Unix(), 10)
	delete(all, valueGiven)
	if !st.given.IsZero() {
		all[valueGiven] = strconv.FormatInt(st.given.Unix(), 10)
	}
	if id, ok := st.Values[valueID]; ok {
		all[valueID] = id
	}
	// The store may go on using what it was given if we stop waiting for it.
	s := *st.Session
	s.Values = all
	type result struct {
		s       *sessions.Session
		cookies []string
	}
	r, err := call(ctx, w, func(ctx context.Context) (result, error) {
		rec := &recorder{header: make(http.Header)}
		err := m.store.Save(m.request(ctx, host, st.cookie), rec, &s)
		var codec securecookie.Error
		switch {
		case errors.As(err, &codec):
			return result{}, &refusedStore{err} // a value that is too large, or of a type unknown to gob
		case err != nil:
			return result{}, unavailable(err)
		}
		return result{&s, rec.header["Set-Cookie"]}, nil
	})
	if err != nil {
		return nil, err
	}
	st.Session, st.values, st.saved = r.s, values, time.Unix(now.Unix(), 0) // as it will be read
	if cookie, ok := m.cookieIn(r.cookies); ok {
		st.cookie = cookie
	}
	return r.cookies, nil
}

// create creates a session that holds values.
func (m *Manager) create(ctx context.Context, host string, values map[any]any) (*stored, []string, error) {
	w := &work{m: m}
	st, err := call(ctx, w, func(ctx context.Context) (*stored, error) {
		s, err := m.store.New(m.request(ctx, host, ""), m.name)
		if err == nil && s == nil {
			err = errNothing
		}
		if err != nil {
			return nil, unavailable(err)
		}
		own := *s
		own.ID, own.IsNew, own.Values = "", true, nil // whatever a client asked for
		return m.read(&own, "", time.Now())
	})
	if err != nil {
		return nil, nil, err
	}
	st.given = time.Now()
	cookies, err := m.save(ctx, w, host, st, values)
	if err == nil && st.ID == "" {
		st.given = time.Time{}       // nothing prolongs it
		st.Values[valueID] = newID() // the map was made by save
		cookies, err = m.save(ctx, w, host, st, values)
	}
	if err == nil && st.cookie == "" {
		err = &refusedStore{errLost}
		if st.Options.MaxAge == 0 {
			err = &refusedStore{errDeletes}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	st.readOnly = st.ID == ""
	id := st.ID
	if st.readOnly {
		id = st.Values[valueID].(string)
	}
	st.key = m.keyOf(id)
	return st, cookies, nil
}

// refusedStore is a fault of the store that another attempt will not mend.
type refusedStore struct{ err error }

func (e *refusedStore) Error() string { return "session: " + e.err.Error() }

func (e *refusedStore) Unwrap() error { return e.err }

// erase removes the session from the store, and returns the Set-Cookie headers that
// remove its cookie.
func (m *Manager) erase(ctx context.Context, w *work, host string, st *stored) ([]string, error) {
	options := *st.Options
	options.MaxAge = -1
	s := *st.Session
	s.Options, s.Values = &options, make(map[any]any)
	return call(ctx, w, func(ctx context.Context) ([]string, error) {
		rec := &recorder{header: make(http.Header)}
		if err := m.store.Save(m.request(ctx, host, st.cookie), rec, &s); err != nil && !m.unknown(err) {
			return nil, unavailable(err)
		}
		return rec.header["Set-Cookie"], nil
	})
}

// cookieIn returns the value that Set-Cookie headers give to our cookie.
func (m *Manager) cookieIn(headers []string) (value string, ok bool) {
	for _, c := range (&http.Response{Header: http.Header{"Set-Cookie": headers}}).Cookies() {
		if c.Name == m.name && c.Value != "" {
			value, ok = c.Value, true
		}
	}
	return value, ok
}

// recorder records the headers that a store sets.
type recorder struct{ header http.Header }

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(int) {}

func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
