package ratelimit

import (
	"context"
	"errors"

	"github.com/sioware/sioware/wrap"
)

// Codes for clients.
const (
	codeLimited     = "rate_limited"
	codeConcurrent  = "too_many_connections"
	codeForbidden   = "forbidden"
	codeUnavailable = "unavailable"
	codeInternal    = "internal"
)

// Policies that decide; see [Verdict].
const (
	policyConnect    = "connect"
	policyConcurrent = "concurrent"
	policyEvents     = "events"
	policyEvent      = "event:" // and the name
	policyBytes      = "bytes"
	policyBan        = "ban"
	policyAllow      = "allow"
	policyDeny       = "deny"

	policyUnavailable = "unavailable"
)

var (
	errAddress = errors.New("ratelimit: the address is denied")
	errOut     = errors.New("ratelimit: too many refusals")
	errCost    = errors.New("ratelimit: Options.Cost")
	errPanic   = errors.New("ratelimit: the Store panicked")
	errSlots   = errors.New("ratelimit: Concurrent: the Store is not a SlotStore")
)

// causes are for the log, which does not have the policy: too many attempts from an office,
// too many connections and a ban need different remedies.
var causes = map[string]error{
	policyConnect:    errors.New("ratelimit: too many attempts to connect"),
	policyConcurrent: errors.New("ratelimit: too many concurrent connections"),
	policyEvents:     errors.New("ratelimit: too many events"),
	policyBytes:      errors.New("ratelimit: too many bytes"),
	policyBan:        errors.New("ratelimit: banned"),
}

// refusal returns what the client gets for v.
func refusal(v Verdict) *wrap.Error {
	code := codeLimited
	switch v.Policy {
	case policyConcurrent:
		code = codeConcurrent
	case policyDeny:
		return &wrap.Error{Code: codeForbidden, Err: errAddress}
	}
	cause, ok := causes[v.Policy]
	if !ok {
		cause = causes[policyEvents] // events of one name, which is in their record
	}
	return &wrap.Error{Code: code, RetryAfter: max(v.RetryAfter, Never), Data: map[string]any{"policy": v.Policy}, Err: cause}
}

// failure returns what the client gets if nothing could be decided about r. An outage
// of the store has been logged already, once: a flood during an outage must not fill
// the log. A fault of ours, such as a negative cost, is not one of the store.
func (p *policy) failure(ctx context.Context, err error, r Refusal) *wrap.Error {
	for _, ours := range []error{ErrCost, ErrLimit, errCost, errPanic} {
		if errors.Is(err, ours) {
			return &wrap.Error{Code: codeInternal, Err: err}
		}
	}
	r.Verdict = Verdict{Degraded: true, Policy: policyUnavailable, RetryAfter: patience}
	if ctx.Err() == nil {
		p.told(ctx, r)
	}
	return &wrap.Error{Code: codeUnavailable, RetryAfter: patience}
}
