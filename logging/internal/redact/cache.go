package redact

import (
	"strings"
	"sync/atomic"
)

// cache remembers what was found about attribute names, which are mostly the same few. A
// slot that is taken stays taken: names made up by clients cost no more than ones never
// seen, and the number is bounded. It is safe for concurrent use; a nil cache remembers
// nothing.
type cache [256]atomic.Pointer[cached]

// cached is what is known about a name.
type cached struct {
	name  string
	grade secrecy
	quiet bool // it is written unchanged
}

// maxKnown is the length up to which names are remembered.
const maxKnown = 32

// of returns how secret name is, and whether it is written unchanged.
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

// look is of for a name that is not cached.
func (n Names) look(name string) (grade secrecy, quiet bool) {
	return n.grade(name), len(name) <= maxName && n.quiet(name, maxName, false)
}
