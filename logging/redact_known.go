package logging

import (
	"strings"
	"sync/atomic"
)

// redactKnown remembers what was found of the names of attributes, which are mostly the
// same few. A place that is taken stays so: names that a client has thought of cost no
// more than those that were never seen, and the number is bounded. It is safe for
// concurrent use; nil remembers nothing.
type redactKnown [256]atomic.Pointer[redactName]

// redactName is what is known of a name.
type redactName struct {
	name  string
	grade redactGrade
	quiet bool // it is written as it is
}

// redactShort is how long a name may be that is remembered.
const redactShort = 32

// of returns how secret name is, and whether it is written as it is.
func (k *redactKnown) of(names redactNames, name string) (grade redactGrade, quiet bool) {
	if k == nil || name == "" || len(name) > redactShort {
		return names.look(name)
	}
	place := &k[(uint(name[0])*31+uint(name[len(name)/2])*7+uint(name[len(name)-1])*3+uint(len(name)))%uint(len(k))]
	known := place.Load()
	if known != nil && known.name == name {
		return known.grade, known.quiet
	}
	grade, quiet = names.look(name)
	if known == nil {
		place.CompareAndSwap(nil, &redactName{strings.Clone(name), grade, quiet})
	}
	return grade, quiet
}

// look is of for a name that is not known.
func (n redactNames) look(name string) (grade redactGrade, quiet bool) {
	return n.grade(name), len(name) <= redactNameMax && n.quiet(name, redactNameMax, false)
}
