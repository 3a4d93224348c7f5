package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// table is written as text for people, or as Markdown.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer, md bool) {
	width := make([]int, len(t.head))
	for _, cells := range append([][]string{t.head}, t.rows...) {
		for i, c := range cells {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	line := func(cells []string) {
		var b strings.Builder
		for i, c := range cells {
			if md {
				b.WriteString("| " + c + " ")
			} else {
				b.WriteString(c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2))
			}
		}
		if md {
			b.WriteString("|")
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	line(t.head)
	if md {
		fmt.Fprintln(w, strings.Repeat("| --- ", len(t.head))+"|")
	}
	for _, cells := range t.rows {
		line(cells)
	}
	fmt.Fprintln(w)
}

// write writes all tables.
func (r *results) write(w io.Writer, md bool) {
	title := func(format string, args ...any) {
		if md {
			format = "### " + format + "\n"
		}
		fmt.Fprintf(w, format+"\n", args...)
	}
	c := &r.config
	fmt.Fprintf(w, "%s, %s/%s, %d processors, %s; %d rounds of %v, in %v.\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), processor(), c.rounds, c.length, r.took.Round(time.Second))
	title("Budgets")
	t := table{head: []string{"what", "budget", "figure", ""}}
	for _, row := range r.budgets() {
		t.add(row.what, row.budget, row.figure, string(row.verdict))
	}
	t.write(w, md)
	for _, m := range []struct{ name, title, one string }{
		{"websocket", "Handshakes over WebSocket, %d under way", "handshake"},
		{"polling", "Handshakes over long-polling, %d under way", "handshake"},
		{"events", "Events with acks, %d connections", "event"},
	} {
		names := r.names(m.name)
		if len(names) == 0 {
			continue
		}
		n := c.workers
		if m.name == "events" {
			n = c.conns
		}
		title(m.title, n)
		t := table{head: []string{"server", m.one + "s/s", "of " + names[0], "p50", "p99", "server time", "of " + names[0],
			"generator time", "unanswered"}}
		for _, name := range names {
			t.add(r.cells(m.name, name, names[0])...)
		}
		t.write(w, md)
	}
	if len(r.idle) > 0 {
		title("Memory of one of %d idle connections, in bytes", c.idle)
		t := table{head: []string{"server", "heap", "stacks", "resident", "goroutines"}}
		for _, name := range c.serversFor("memory") {
			all := r.idle[name]
			of := func(f func(footprint) float64) string { return fmt.Sprintf("%.0f", middle(all, f)) }
			t.add(name, of(func(f footprint) float64 { return f.heap }), of(func(f footprint) float64 { return f.stacks }),
				of(func(f footprint) float64 { return f.rss }), of(func(f footprint) float64 { return f.goroutines }))
		}
		t.write(w, md)
	}
}

// cells are those of one server.
func (r *results) cells(measurement, name, base string) []string {
	all := r.samples[measurement][name]
	rate, _ := r.ratio(measurement, name, base, rateOf)
	used, _ := r.ratio(measurement, name, base, cpuOf)
	lost := 0
	for _, s := range all {
		lost += s.unanswered
	}
	micros := func(f func(sample) time.Duration) string {
		return fmt.Sprintf("%.1f µs", middle(all, func(s sample) float64 { return float64(f(s)) / 1e3 }))
	}
	millis := func(f func(sample) time.Duration) string {
		return fmt.Sprintf("%.1f ms", middle(all, func(s sample) float64 { return float64(f(s)) / 1e6 }))
	}
	return []string{
		name, fmt.Sprintf("%.0f", middle(all, rateOf)), fmt.Sprintf("%.2f", rate),
		millis(func(s sample) time.Duration { return s.p50 }), millis(func(s sample) time.Duration { return s.p99 }),
		micros(func(s sample) time.Duration { return s.serverCPU }), fmt.Sprintf("%.2f", used),
		micros(func(s sample) time.Duration { return s.clientCPU }), fmt.Sprint(lost),
	}
}
