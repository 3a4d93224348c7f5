package jwks

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Limits and defaults of [Options].
const (
	defaultRefresh  = time.Hour
	defaultUnknown  = time.Minute
	defaultMaxStale = 24 * time.Hour
	minPeriod       = time.Second // asking more often would be an attack on the server
)

// Algorithms by the type of the key. No HMAC: the set is public.
var (
	rsaAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ecAlgorithms  = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
	algorithms    = append([]string{"ES256", "ES384", "ES512", "EdDSA"}, rsaAlgorithms...)
)

// Options configure a [Set]. The zero value, and nil, are good defaults.
type Options struct {
	// Client fetches the key set. Nil means a client of its own, with the proxy of
	// the environment. Any client is held to the same rules: a fetch ends after 10
	// seconds, follows 3 redirects at most, and never one from https to http.
	Client *http.Client

	// Algorithms are those that keys of the set may be used for. Nil means all that
	// suit the type of a key: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384,
	// ES512 and EdDSA. HMAC is a fault.
	Algorithms []string

	// RefreshEvery is how long a key set is used before it is fetched again, less up
	// to a tenth so that servers that started together do not ask together. A
	// withdrawn key verifies until then. 0 means an hour; the minimum is a second.
	RefreshEvery time.Duration

	// UnknownEvery is the period in which all tokens with unknown keys together cause
	// only one fetch. 0 means a minute; the minimum is a second. Anybody can send such
	// tokens: this is what they can cost the key server, and how late a new key may
	// become known here while they do. Providers publish a key long before they use it.
	UnknownEvery time.Duration

	// MaxStale is how long the keys are used after the last good fetch while the
	// server is down. After that nobody gets in until it is back. 0 means a day; it
	// must not be shorter than RefreshEvery. It is also how long somebody who can
	// cut off the key server can keep a withdrawn key alive.
	MaxStale time.Duration

	// InsecureHTTP allows a URL with http, for a server on loopback or in tests:
	// anybody on the network path could substitute keys of their own.
	InsecureHTTP bool

	// Logger gets failed fetches and keys that are left out. Nil means slog.Default().
	Logger *slog.Logger
}

// audit returns a copy of o with its defaults set, the URL, and all faults.
func (o *Options) audit(rawURL string) (Options, *url.URL, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("jwks: "+format, args...))
	}

	u, err := url.Parse(rawURL)
	switch {
	case rawURL == "":
		fault("no URL; is a variable not set?")
	case err != nil:
		fault("malformed URL") // the cause would show parts of it
	case u.Scheme == "http" && !c.InsecureHTTP:
		fault("URL %s: https is required; see Options.InsecureHTTP", redact(u))
	case u.Scheme != "https" && u.Scheme != "http":
		fault("URL %s: scheme is not https", redact(u))
	case u.Hostname() == "":
		fault("URL %s: no host", redact(u))
	}

	if c.Algorithms != nil && len(c.Algorithms) == 0 {
		fault("Algorithms: empty; nil means all that suit the keys")
	}
	for _, alg := range c.Algorithms {
		if !slices.Contains(algorithms, alg) {
			fault("Algorithms: %q is not for public keys", alg)
		}
	}
	if c.Algorithms == nil {
		c.Algorithms = algorithms
	}
	c.Algorithms = slices.Clone(c.Algorithms)

	for _, d := range []struct {
		name  string
		value *time.Duration
		unset time.Duration
	}{
		{"RefreshEvery", &c.RefreshEvery, defaultRefresh},
		{"UnknownEvery", &c.UnknownEvery, defaultUnknown},
		{"MaxStale", &c.MaxStale, max(defaultMaxStale, c.RefreshEvery)},
	} {
		if *d.value == 0 {
			*d.value = d.unset
		}
		if *d.value < minPeriod {
			fault("%s: %v is less than %v", d.name, *d.value, minPeriod)
		}
	}
	if c.MaxStale < c.RefreshEvery {
		fault("MaxStale: %v is less than RefreshEvery, %v", c.MaxStale, c.RefreshEvery)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, u, errors.Join(faults...)
}

// redact returns u without the parts that may be secret, for logs and errors.
func redact(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
