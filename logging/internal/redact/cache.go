package redact

import (
	"strings"
	"sync/atomic"
)

// cache remembers what was found of the names of attributes, which are mostly the
// same few. A place that is taken stays so: names that a client has thought of cost no
// more than those that were never seen, and the number is bounded. It is safe for
// concurrent use; nil remembers nothing.
type cache [256]atomic.Pointer[cached]

// cached is what is known of a name.
type cached struct {
	name  string
	grade secrecy
	quiet bool // it is written as it is
}

// maxKnown is how long a name may be that is remembered.
const maxKnown = 32

// of returns how secret name is, and whether it is written as it is.
func (k *cache) of(names Names, name string) (grade secrecy, quiet bool) {
	if k == nil || name == "" || len(name) > maxKnown {
		return names.look(name)
	}
	place := &k[(uint(name[0])*31+uint(name[len(name)/2])*7+uint(name[len(name)-1])*3+uint(len(name)))%uint(len(k))]
	known := place.Load()
	if known != nil && known.name == name {
		return known.grade, known.quiet
	}
	grade, quiet = names.look(name)
	if known == nil {
		place.CompareAndSwap(nil, &cached{strings.Clone(name), grade, quiet})
	}
	return grade, quiet
}

// look is of for a name that is not known.
func (n Names) look(name string) (grade secrecy, quiet bool) {
	return n.grade(name), len(name) <= maxName && n.quiet(name, maxName, false)
}
