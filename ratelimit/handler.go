package ratelimit

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/mark"
)

// Handler returns next behind the limit of attempts, as plain net/http middleware.
// Through wrap it sees handshakes alone, and refuses a client before there is a
// connection; anywhere else it counts each request. It counts by address, since nothing
// else is known yet, and separately from the CONNECTs that [Limiter.Middleware] counts,
// the first of which is then free.
//
// A refused request is answered as *wrap.Error does it: 429, with Retry-After in
// seconds and the client data as JSON; 403 for a denied address; 503 if the Store is
// away, under Closed. Where the limit has decided, and is not [Unlimited], the answer
// has the fields RateLimit-Policy and RateLimit
// (draft-ietf-httpapi-ratelimit-headers-10), such as
//
//	RateLimit-Policy: "connect";q=60;w=60
//	RateLimit: "connect";r=59;t=1
//
// where w is how long an empty bucket takes to fill, and t how long this one does. A
// page of another origin can read them only if CORS exposes them.
func (l *Limiter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := l.policy.Load()
		addr, standing := p.standing(r)
		key := p.address(addr)
		v := Verdict{Allowed: standing == policyAllow, Policy: standing}
		if standing == "" {
			var err error
			v, err = p.attempt(r.Context(), kindHandshake, key)
			switch {
			case r.Context().Err() != nil:
				w.WriteHeader(http.StatusServiceUnavailable) // to nobody
				return
			case err != nil && !p.DryRun:
				p.failure(r.Context(), err, Refusal{Key: key}).ServeHTTP(w, r)
				return
			}
			p.announce(w.Header(), v)
		}
		if !v.Allowed {
			p.told(r.Context(), Refusal{Verdict: v, Key: key})
			if !p.DryRun {
				refusal(v).ServeHTTP(w, r)
				return
			}
		}
		if v.Policy == policyConnect && mark.Connecting(r.Context()) {
			r = r.WithContext(context.WithValue(r.Context(), ticketKey{l}, &ticket{key: key, verdict: v, at: time.Now()}))
		}
		next.ServeHTTP(w, r)
	})
}

// ticketKey is the context key of the ticket of a Limiter, on a handshake.
type ticketKey struct{ l *Limiter }

// ticket is what a handshake has paid for.
type ticket struct {
	key     string
	verdict Verdict
	at      time.Time
	used    atomic.Bool
}

// ticketFresh is how long the Store's answer about bans is relied on: a client sends
// CONNECT at once, and one that saves its handshake for later may do so to escape a ban.
const ticketFresh = time.Second

// announce sets the header fields that describe the limit.
func (p *policy) announce(h http.Header, v Verdict) {
	if v.Policy != policyConnect || p.connect.unlimited() {
		return
	}
	const name = `"` + policyConnect + `"`
	b := make([]byte, 0, 64)
	b = append(b, name+";q="...)
	b = strconv.AppendInt(b, min(p.connect.burst, maxInteger), 10)
	b = append(b, ";w="...)
	b = strconv.AppendInt(b, seconds(p.connect.window()), 10)
	h.Set("RateLimit-Policy", string(b))
	b = append(b[:0], name+";r="...)
	b = strconv.AppendInt(b, min(v.Remaining, maxInteger), 10)
	b = append(b, ";t="...)
	b = strconv.AppendInt(b, seconds(v.ResetAfter), 10)
	h.Set("RateLimit", string(b))
}

// maxInteger is the largest integer in structured fields (RFC 9651, section 3.3.1).
const maxInteger = 999_999_999_999_999

// seconds is d in seconds, rounded up, but disregards the little that a bucket takes
// longer because its tokens take whole ticks.
func seconds(d time.Duration) int64 {
	return max(0, int64((d-time.Millisecond+time.Second-1)/time.Second))
}
