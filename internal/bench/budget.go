package main

import (
	"fmt"
	"math"
)

// verdict says whether a figure keeps its budget.
type verdict string

const (
	pass        verdict = "pass"
	missed      verdict = "missed"
	notMeasured verdict = "not measured"
	noBudget    verdict = "" // shown beside a figure with a budget
)

// row is a row of the table of budgets.
type row struct {
	what, budget, figure string
	verdict              verdict
}

func rateOf(s sample) float64 { return s.rate }
func cpuOf(s sample) float64  { return float64(s.serverCPU) }

// judge returns a row; less says that the figure must not exceed the budget.
func judge(what, format string, budget, figure float64, ok, less bool) row {
	sign := ">="
	if less {
		sign = "<="
	}
	r := row{what, sign + " " + fmt.Sprintf(format, budget), "", notMeasured}
	if !ok {
		return r
	}
	r.figure, r.verdict = fmt.Sprintf(format, figure), missed
	if less && figure <= budget || !less && figure >= budget {
		r.verdict = pass
	}
	return r
}

// show returns a row for a figure without a budget.
func show(what, format string, figure float64, ok bool) row {
	if !ok {
		return row{what, "", "", notMeasured}
	}
	return row{what, "", fmt.Sprintf(format, figure), noBudget}
}

// budgets returns the table.
func (r *results) budgets() []row {
	var rows []row
	atLeast := func(what, m, a, b string, budget float64) {
		figure, ok := r.ratio(m, a, b, rateOf)
		rows = append(rows, judge(what, "%.2f", budget, figure, ok, false))
		figure, ok = r.ratio(m, b, a, cpuOf)
		rows = append(rows, show("... the same by the server's own processor time", "%.2f", figure, ok))
	}
	atLeast("WebSocket handshakes/s, full / wrap", "websocket", "full", "wrap", 0.90)
	hand, ok := r.ratio("websocket", byHand, "wrap", rateOf)
	rows = append(rows, show("... the same work by hand / wrap", "%.2f", hand, ok))
	atLeast("WebSocket handshakes/s, full / node", "websocket", "full", "node", 4)
	none := judge("handshakes without an answer", "%.0f", 0, float64(r.lost), r.lost >= 0, true)
	if none.verdict != notMeasured {
		none.figure += fmt.Sprintf(" of %d", r.config.lost+r.config.lost/10)
	}
	rows = append(rows, none)
	atLeast("events/s with limits of events / bare host", "events", limited, "bare", 0.95)
	rows = append(rows, r.memoryRows()...)
	return append(rows, r.microRows()...)
}

func (r *results) memoryRows() []row {
	added := func(base string, of func(footprint) float64) (float64, bool) {
		full, other := r.idle["full"], r.idle[base]
		if len(full) == 0 || len(other) == 0 {
			return 0, false
		}
		return middle(full, of) - middle(other, of), true
	}
	held := func(f footprint) float64 { return f.heap + f.stacks }
	over, ok1 := added("bare", held)
	more, ok2 := added("wrap", held)
	rss, ok3 := added("bare", func(f footprint) float64 { return f.rss })
	return []row{
		judge("memory of an idle connection, full over bare host: heap and stacks, bytes", "%.0f", 3<<10, over, ok1, true),
		show("... over wrap", "%.0f", more, ok2),
		show("... over bare host, resident", "%.0f", rss, ok3),
	}
}

func (r *results) microRows() []row {
	get := func(name, unit string) (float64, bool) { return r.micro.median(name, unit) }
	most := func(what, format string, budget, figure float64, ok bool) row {
		return judge(what, format, budget, figure, ok, true)
	}
	// two returns f of two figures, if both were measured.
	two := func(a, b, unit string, f func(a, b float64) float64) (float64, bool) {
		x, ok1 := get(a, unit)
		y, ok2 := get(b, unit)
		return f(x, y), ok1 && ok2
	}
	minus := func(a, b float64) float64 { return a - b }
	by := func(a, b float64) float64 { return a / b }

	more, ok := two("wrap.BenchmarkHandshake/Handler", "wrap.BenchmarkHandshake/bare", "allocs/op", minus)
	rows := []row{most("wrap on a polling handshake, allocations more", "%.0f", 20, more, ok)}
	slower, ok := two("jwtauth.BenchmarkVerify/HS256/jwtauth", "jwtauth.BenchmarkVerify/HS256/golang-jwt", "ns/op", by)
	rows = append(rows, most("HS256 in jwtauth / golang-jwt alone", "%.2f", 1.10, slower, ok))

	const hit = "ratelimit.BenchmarkMemory/allowed/keys=100000/serial"
	ns, ok := get(hit, "ns/op")
	rows = append(rows, most("ratelimit hit in memory, 100,000 keys, ns", "%.1f", 60, ns, ok))
	allocs, ok := get(hit, "allocs/op")
	rows = append(rows, most("... allocations", "%.0f", 0, allocs, ok))
	key, ok := get("internal/bench/ratelimit.BenchmarkMemory/lib=sioware/keys=100000", "B/key")
	rows = append(rows, most("... bytes a key", "%.0f", 200, key, ok))

	for _, pkg := range []string{"jwtauth", "ratelimit", "session", "logging", "presence"} {
		ns, ok := get(pkg+".BenchmarkFrom", "ns/op")
		rows = append(rows, most("From of "+pkg+", ns", "%.1f", 40, ns, ok))
		allocs, ok := get(pkg+".BenchmarkFrom", "allocs/op")
		rows = append(rows, most("... allocations", "%.0f", 0, allocs, ok))
	}

	// Both hooks at a disabled level: that of events, and that of requests.
	event, ok1 := get("logging.BenchmarkHook/disabled", "allocs/op")
	request, ok2 := two("logging.BenchmarkHandler/disabled", "logging.BenchmarkHandler/bare", "allocs/op", minus)
	rows = append(rows, most("logging at a disabled level, allocations", "%.0f", 0, math.Max(event, request), ok1 && ok2))

	join, ok := get("presence.BenchmarkMemoryJoinLeave/watched=false/grace=false", "ns/op")
	rows = append(rows, most("presence join and leave in memory, ns", "%.0f", 2000, join, ok))
	member, ok := get("presence.BenchmarkMemoryMemberBytes", "B/member")
	return append(rows, most("... bytes a member, of 1,000,000", "%.0f", 500, member, ok))
}
