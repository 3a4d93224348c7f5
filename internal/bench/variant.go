package main

import (
	"fmt"
	"slices"
	"strings"
)

// The parts that a server can have on top of wrap, in the order of the chain. Events are
// the limits of events, which need ratelimit. There are two more: func, an empty
// wrap.Func, which all packages contain; and plain, the same work done by hand.
var parts = []string{"logging", "ratelimit", "events", "session", "jwtauth", "presence"}

// variant is a kind of server, as described by its name: a base, with parts added by "+"
// or left out by "-", such as "wrap+jwtauth" and "full-session".
type variant struct {
	name  string
	node  bool
	wrap  bool // Handler and Harden
	parts []string
}

func (v variant) has(part string) bool { return slices.Contains(v.parts, part) }

// parseVariant parses the name of a server.
func parseVariant(name string) (variant, error) {
	v := variant{name: name}
	base, rest := name, ""
	if i := strings.IndexAny(name, "+-"); i >= 0 {
		base, rest = name[:i], name[i:]
	}
	switch base {
	case "bare":
	case "wrap":
		v.wrap = true
	case "full":
		v.wrap = true
		v.parts = slices.Clone(parts)
	case "node":
		v.node, v.parts = true, []string{"logging", "ratelimit", "events", "session", "jwtauth"}
		if rest != "" && rest != "-events" {
			return v, fmt.Errorf("server %q: of node only the limits of events can be left out", name)
		}
	default:
		return v, fmt.Errorf("server %q: begins with none of bare, wrap, full, node", name)
	}
	for rest != "" {
		sign, part := rest[0], rest[1:]
		rest = ""
		if i := strings.IndexAny(part, "+-"); i >= 0 {
			part, rest = part[:i], part[i:]
		}
		switch {
		case !slices.Contains(parts, part) && part != "func" && part != "plain":
			return v, fmt.Errorf("server %q: %q is none of %s", name, part, strings.Join(parts, ", "))
		case sign == '+' && !v.has(part):
			v.parts = append(v.parts, part)
		case sign == '-' && v.has(part):
			v.parts = slices.DeleteFunc(v.parts, func(p string) bool { return p == part })
			if part == "ratelimit" {
				v.parts = slices.DeleteFunc(v.parts, func(p string) bool { return p == "events" })
			}
		default:
			return v, fmt.Errorf("server %q: %q changes nothing", name, string(sign)+part)
		}
	}
	switch {
	case len(v.parts) > 0 && !v.wrap && !v.node:
		return v, fmt.Errorf("server %q: the packages need wrap", name)
	case v.has("events") && !v.has("ratelimit"):
		return v, fmt.Errorf("server %q: events need ratelimit", name)
	}
	return v, nil
}
