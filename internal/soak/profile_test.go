//go:build linux

package soak

import (
	"fmt"
	"slices"
	"strings"
)

// groups counts goroutines, or bytes on the heap, by stack.
type groups map[string]int

// readGoroutines parses a profile in pprof's text form: a line with a count for each
// stack, and a line for each of its functions.
func readGoroutines(profile string) groups {
	all := make(groups)
	for block := range strings.SplitSeq(profile, "\n\n") {
		var n int
		var functions []string
		for line := range strings.SplitSeq(block, "\n") {
			if strings.HasPrefix(line, "#\t0x") {
				fields := strings.Fields(line)
				name, _, _ := strings.Cut(fields[2], "+0x")
				functions = append(functions, name)
			} else if head, _, ok := strings.Cut(line, " @ "); ok {
				n = 0
				_, _ = fmt.Sscanf(head, "%d", &n)
				functions = functions[:0]
			}
		}
		if n > 0 && len(functions) > 0 { // skip those that are about to end
			all[strings.Join(functions, "\n\t")] += n
		}
	}
	return all
}

// readHeap parses a heap profile: bytes in use by stack.
func readHeap(profile string) groups {
	all := make(groups)
	n := 0
	var functions []string
	flush := func() {
		if n > 0 && len(functions) > 0 {
			all[strings.Join(functions, "\n\t")] += n
		}
		n, functions = 0, nil
	}
	for line := range strings.SplitSeq(profile, "\n") {
		var objects, bytes, allObjects, allBytes int64
		switch {
		case strings.HasPrefix(line, "#\t0x"):
			fields := strings.Fields(line)
			name, _, _ := strings.Cut(fields[2], "+0x")
			if len(functions) < 8 {
				functions = append(functions, name)
			}
		case strings.HasPrefix(line, "heap profile:"):
		default:
			if c, _ := fmt.Sscanf(line, "%d: %d [%d: %d]", &objects, &bytes, &allObjects, &allBytes); c == 4 {
				flush()
				n = int(bytes)
			}
		}
	}
	flush()
	return all
}

// more returns what now has more of than before, largest first.
func (before groups) more(now groups, least int) []string {
	type grown struct {
		where string
		by    int
	}
	var all []grown
	for where, n := range now {
		if by := n - before[where]; by >= least {
			all = append(all, grown{where, by})
		}
	}
	slices.SortFunc(all, func(a, b grown) int { return b.by - a.by })
	lines := make([]string, 0, len(all))
	for _, g := range all {
		lines = append(lines, fmt.Sprintf("%d more of\n\t%s", g.by, g.where))
	}
	return lines
}
