package jwtauth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	refused "github.com/sioware/sioware/internal/refusal"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// A socket may refresh its token five times in a row, and then once every five seconds.
const (
	refreshEvery = 5 * time.Second
	refreshBurst = 5
)

var (
	errGuest   = errors.New("a guest has no token to refresh")
	errOther   = errors.New("the token belongs to another user")
	errOlder   = errors.New("the token expires before the one it would replace")
	errPayload = errors.New("auth:refresh takes a token")
)

// throttle is a token bucket kept as one time: when it will be full again
// (GCRA, as in ITU-T I.371). The zero value is full.
type throttle struct {
	full time.Time
	busy bool // a refresh is under way
}

// take returns how long to wait, or takes a token and returns 0.
func (t *throttle) take(now time.Time) time.Duration {
	if t.busy {
		return time.Second
	}
	if t.full.Before(now) {
		t.full = now
	}
	next := t.full.Add(refreshEvery)
	if wait := next.Sub(now) - refreshBurst*refreshEvery; wait > 0 {
		return wait
	}
	t.full, t.busy = next, true
	return 0
}

// answer handles the event "auth:refresh": args are the token, as a string or in a
// field "token", and perhaps the ack. The ack gets {ttlMs} (null if the token does
// not expire), or what is wrong, as an error of wrap says it.
func (m *member[C]) answer(s *socket.Socket, args []any, ack socket.Ack) {
	err, panicked := error(&wrap.Error{}), true
	var id *Identity[C]
	guard(m.auth.opts.Logger, "a refresh", func() {
		ctx, cancel := context.WithTimeout(wrap.Context(s), timeout)
		defer cancel()
		id, err = m.refresh(ctx, args)
		panicked = false
	})
	if err != nil {
		e := asError(err)
		if ctx := wrap.Context(s); !panicked && ctx.Err() == nil { // else the client has left
			m.auth.report(ctx, e)
		}
		if ack != nil {
			ack([]any{e.ClientData()}, nil)
		}
		return
	}
	if ack == nil {
		return
	}
	data := map[string]any{"ttlMs": nil}
	if !id.ExpiresAt.IsZero() {
		data["ttlMs"] = max(0, time.Until(id.ExpiresAt).Milliseconds())
	}
	ack([]any{data}, nil)
}

// refresh replaces the identity with another one of the same user, or leaves
// everything as it is.
func (m *member[C]) refresh(ctx context.Context, args []any) (*Identity[C], error) {
	a := m.auth
	m.mu.Lock()
	wait, user := m.limit.take(time.Now()), m.user
	m.mu.Unlock()
	if wait > 0 {
		return nil, &wrap.Error{Code: "rate_limited", RetryAfter: wait}
	}
	defer func() {
		m.mu.Lock()
		m.limit.busy = false
		m.mu.Unlock()
	}()
	if user == nil {
		return nil, refusal(ErrForbidden, errGuest)
	}
	token := tokenOf(args)
	if token == "" {
		return nil, refusal(ErrMissing, errPayload)
	}
	c, err := a.check(ctx, token, Source{refreshed, ""})
	if err != nil {
		return nil, err
	}
	id, err := a.identify(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case id.Subject == "" || id.Subject != user.Subject || id.Issuer != user.Issuer:
		return nil, refusal(ErrForbidden, errOther)
	case older(id, user):
		return nil, refusal(ErrForbidden, errOlder)
	}
	// Checked before the store makes it the login: a refusal changes nothing.
	for _, rule := range m.rules {
		if err := allow(rule, id.Claims); err != nil {
			return nil, err
		}
	}
	if err := a.admit(ctx, id, user.Login); err != nil {
		return nil, err
	}
	if err := m.adopt(ctx, id); err != nil {
		return nil, err
	}
	// The new token may have been revoked before the index knew of it.
	m.doubt(0)
	return id, nil
}

// older reports whether id expires before the identity that it would replace.
func older[C any](id, user *Identity[C]) bool {
	return !id.ExpiresAt.IsZero() && (user.ExpiresAt.IsZero() || id.ExpiresAt.Before(user.ExpiresAt))
}

// adopt makes id the identity.
func (m *member[C]) adopt(ctx context.Context, id *Identity[C]) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended || m.verdict != nil || ctx.Err() != nil {
		return refusal(ErrUnavailable, context.Canceled)
	}
	before := m.identity.Swap(id)
	m.auth.index.move(m, m.user, id)
	m.user = id
	m.plan(time.Now())
	m.arm(time.Now())
	m.changed(before, id)
	return nil
}

// tokenOf reads the arguments of auth:refresh: the token, or an object with the token in
// it. Either is read as an [AuthField] is.
func tokenOf(args []any) (token string) {
	if len(args) != 1 {
		return ""
	}
	switch v := args[0].(type) {
	case string:
		token = v
	case map[string]any:
		token, _ = v["token"].(string)
	}
	if cut, ok := cutScheme(token); ok {
		return cut
	}
	return token
}

// report logs server faults. What a client did wrong is not logged, nor is an outage
// each time that somebody notices it.
func (a *Auth[C]) report(ctx context.Context, e *wrap.Error) {
	switch {
	case e.Code == "" || e.Code == "internal":
		a.opts.Logger.ErrorContext(ctx, "jwtauth: cannot refresh a token", slog.Any("error", e.Err))
	case e.Code == codes[ErrUnavailable] && e.Err != nil:
		a.outage(ctx, e.Err)
	}
}

// asError returns what the client gets for err.
func asError(err error) *wrap.Error {
	return refused.From(err, ErrUnavailable)
}
