package prommetrics

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sioware/sioware/logging"
)

// Labels for values that have no label of their own, and for empty values.
const (
	other = "other"
	none  = "none"
)

// reserved are label names that ConstLabels may not use.
var reserved = []string{"namespace", "by", "code", "class", "event", "outcome", "le", "quantile"}

// classes are those of the ends of connections. The last stands for all others.
var classes = []logging.Class{
	logging.ClassClient, logging.ClassNetwork, logging.ClassTimeout, logging.ClassServer,
	logging.ClassProtocol, logging.ClassUnknown,
}

// classOf returns the index of a class in classes.
func classOf(c logging.Class) int {
	if i := slices.Index(classes, c); i >= 0 {
		return i
	}
	return len(classes) - 1
}

// outcomes are what can become of an event.
var outcomes = [...]string{"ok", "handled", "limited", "refused"}

// codeLimited is the code of an event that was refused by a rate limit.
const codeLimited = "rate_limited"

// outcomeOf returns the index in outcomes of what became of e.
func outcomeOf(e *logging.Event) int {
	switch {
	case e.Handled:
		return 1
	case e.Code == codeLimited:
		return 2
	case e.Code != "" || e.Err != nil:
		return 3
	}
	return 0
}

// stable are the codes with which the packages of sioware refuse, and those of requests
// that their handler aborted or answered in the engine's place.
var stable = []string{
	"token_missing", "token_invalid", "token_expired", "token_revoked", "user_disabled",
	"forbidden", codeLimited, "too_many_connections", "session_missing", "session_expired",
	"origin_denied", "replaced", "unavailable", "internal", "aborted", "http_200",
	"engine_0", "engine_1", "engine_2", "engine_3", "engine_4", "engine_5",
}

// known are the values of a label that are used as they are.
type known map[string]struct{}

func knownOf(lists ...[]string) known {
	k := make(known)
	for _, list := range lists {
		for _, v := range list {
			k[v] = struct{}{}
		}
	}
	return k
}

// codesOf returns the known codes, including own.
func codesOf(own []string) known {
	k := knownOf(stable, own)
	for status := 300; status < 600; status++ {
		if http.StatusText(status) != "" {
			k["http_"+strconv.Itoa(status)] = struct{}{}
		}
	}
	return k
}

// label returns the label of v.
func (k known) label(v string) string {
	if v == "" {
		return none
	}
	if _, ok := k[v]; ok {
		return v
	}
	return other
}

// maxNames is how many middlewares are labeled with their name.
const maxNames = 64

// names are the labels of middlewares, which are not configured: the first ones count.
type names struct {
	mu     sync.RWMutex
	labels map[string]string
}

// label returns the label of the middleware called v.
func (n *names) label(v string) string {
	if v == "" {
		return none
	}
	n.mu.RLock()
	label, ok := n.labels[v]
	full := len(n.labels) >= maxNames
	n.mu.RUnlock()
	if ok {
		return label
	}
	if full {
		return other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if label, ok := n.labels[v]; ok {
		return label
	}
	if len(n.labels) >= maxNames {
		return other
	}
	if n.labels == nil {
		n.labels = make(map[string]string)
	}
	v = strings.Clone(v) // it may be part of something large
	label = strings.ToValidUTF8(v, "\uFFFD")
	n.labels[v] = label
	return label
}
