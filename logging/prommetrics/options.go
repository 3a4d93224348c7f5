package prommetrics

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure [Metrics]. The zero value, and nil, are fine.
type Options struct {
	// Prefix begins the names of all metrics: "sioware" if empty.
	Prefix string

	// Events are the names of events that are counted separately, usually those that have
	// handlers. All others are "other".
	Events []string

	// Codes are those of the application's own refusals. Those of sioware are known: all
	// of package wrap, http_NNN of the common statuses and engine_N. All others are
	// "other".
	Codes []string

	// Namespaces are those that are counted separately, besides "/". All others are
	// "other".
	Namespaces []string

	// Buckets are the upper bounds of the histogram of durations, in seconds and in
	// increasing order. If empty they go from a second to a day.
	Buckets []float64

	// ConstLabels are added to all metrics.
	ConstLabels prometheus.Labels
}

// defaultBuckets have bounds where proxies and keepalives end connections: at 30, 60 and
// 300 seconds.
var defaultBuckets = []float64{1, 5, 15, 30, 60, 120, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600}

// maxEvent is the length to which package logging cuts the names of events.
const maxEvent = 64

// audit returns a copy of o with its defaults set, and all its faults.
func (o *Options) audit() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	c.Prefix = cmp.Or(c.Prefix, "sioware")
	c.Events, c.Codes, c.Namespaces = slices.Clone(c.Events), slices.Clone(c.Codes), slices.Clone(c.Namespaces)
	c.Buckets = slices.Clone(c.Buckets)
	if len(c.Buckets) == 0 {
		c.Buckets = defaultBuckets
	}
	c.ConstLabels = maps.Clone(c.ConstLabels)

	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("prommetrics: "+format, args...)) }
	if !identifier(c.Prefix) {
		fault("Prefix: %q is not made of letters, digits and underscores", c.Prefix)
	}
	for field, values := range map[string][]string{"Events": c.Events, "Codes": c.Codes, "Namespaces": c.Namespaces} {
		for _, v := range values {
			switch {
			case v == "" || v == other || v == none:
				fault("%s: %q has another meaning", field, v)
			case !utf8.ValidString(v):
				fault("%s: %q is not UTF-8", field, v)
			case field == "Events" && len(v) > maxEvent:
				fault("Events: %q is longer than the %d bytes that are kept of a name", v, maxEvent)
			case field == "Namespaces" && v[0] != '/':
				fault("Namespaces: %q does not begin with a slash", v)
			}
		}
	}
	for i, b := range c.Buckets {
		if math.IsNaN(b) || i > 0 && b <= c.Buckets[i-1] {
			fault("Buckets: %v is not greater than the one before", b)
		}
	}
	for name, value := range c.ConstLabels {
		switch {
		case !identifier(name) || strings.HasPrefix(name, "__"):
			fault("ConstLabels: %q is not a valid label name", name)
		case slices.Contains(reserved, name):
			fault("ConstLabels: %q is a label of prommetrics itself", name)
		case !utf8.ValidString(value):
			fault("ConstLabels: %s: %q is not UTF-8", name, value)
		}
	}
	// The iteration order of maps is random; the order of the errors should not be.
	slices.SortStableFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c, errors.Join(errs...)
}

// identifier reports whether s can be a name that every version of Prometheus accepts.
func identifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
