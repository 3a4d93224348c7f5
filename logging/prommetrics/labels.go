package prommetrics

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sioware/sioware/logging"
)

// What stands for values that have no label of their own, and for those that are not.
const (
	other = "other"
	none  = "none"
)

// reserved are the names of labels that cannot be constant.
var reserved = []string{"namespace", "by", "code", "class", "event", "outcome", "le", "quantile"}

// classes are those of the ends of connections. The last stands for all others.
var classes = []logging.Class{
	logging.ClassClient, logging.ClassNetwork, logging.ClassTimeout, logging.ClassServer,
	logging.ClassProtocol, logging.ClassUnknown,
}

// classOf returns the place of a class among classes.
func classOf(c logging.Class) int {
	if i := slices.Index(classes, c); i >= 0 {
		return i
	}
	return len(classes) - 1
}

// outcomes are what becomes of an event.
var outcomes = [...]string{"ok", "handled", "limited", "refused"}

// codeLimited is the code of an event that came too soon.
const codeLimited = "rate_limited"

// outcomeOf returns the place of what became of e among outcomes.
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

// stable are the codes that the packages of sioware refuse with, and those of requests
// whose handler has aborted them, or answers in the engine's place.
var stable = []string{
	"token_missing", "token_invalid", "token_expired", "token_revoked", "user_disabled",
	"forbidden", codeLimited, "too_many_connections", "session_missing", "session_expired",
	"origin_denied", "replaced", "unavailable", "internal", "aborted", "http_200",
	"engine_0", "engine_1", "engine_2", "engine_3", "engine_4", "engine_5",
}

// known are the values of a label that have a name of their own.
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

// codesOf returns the codes that are known beside own.
func codesOf(own []string) known {
	k := knownOf(stable, own)
	for status := 300; status < 600; status++ {
		if http.StatusText(status) != "" {
			k["http_"+strconv.Itoa(status)] = struct{}{}
		}
	}
	return k
}

// label returns what v is called.
func (k known) label(v string) string {
	if v == "" {
		return none
	}
	if _, ok := k[v]; ok {
		return v
	}
	return other
}

// maxNames is how many middlewares have a name of their own.
const maxNames = 64

// names are the labels of middlewares, which nobody lists: the first ones count.
type names struct {
	mu     sync.RWMutex
	labels map[string]string
}

// label returns what the middleware called v is called.
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
