package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseBenchmarks(t *testing.T) {
	t.Parallel()
	got, err := parseBenchmarks(strings.NewReader(`goos: linux
pkg: example
BenchmarkHit/keys=100-2         	 100	        12.5 ns/op	       0 B/op	       1 allocs/op
BenchmarkHit/keys=100-2         	 100	        20 ns/op	       0 B/op	       1 allocs/op
BenchmarkHit/keys=100-2         	 100	        10 ns/op	       0 B/op	       1 allocs/op
BenchmarkHit is not a result here
BenchmarkAll 	       1	   4021 ns/op	       152.5 B/member
BenchmarkOne/es-256  7  9 ns/op
--- BENCH: BenchmarkAll
    bench_test.go:1: BenchmarkAll 1
PASS
ok  	example	1.2s
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		name, unit string
		value      float64
	}{
		{"BenchmarkHit/keys=100", "ns/op", 12.5},
		{"BenchmarkHit/keys=100", "allocs/op", 1},
		{"BenchmarkAll", "B/member", 152.5},
	} {
		if v, ok := got.median(want.name, want.unit); !ok || v != want.value {
			t.Errorf("%s %s: %v %t, not %v", want.name, want.unit, v, ok, want.value)
		}
	}
	if _, ok := got.median("BenchmarkAll", "allocs/op"); ok {
		t.Error("a unit that is not there")
	}
	for _, bad := range []string{"BenchmarkX 1 2 ns/op 3", "BenchmarkX 1 y ns/op"} {
		if _, err := parseBenchmarks(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is no result", bad)
		}
	}
}

func TestVariants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"bare": "", "wrap": "", "full": "logging ratelimit events session jwtauth presence",
		"full-session": "logging ratelimit events jwtauth presence", "full-ratelimit-presence": "logging session jwtauth",
		"wrap+jwtauth+logging": "jwtauth logging", "node": "logging ratelimit events session jwtauth",
	} {
		v, err := parseVariant(name)
		if err != nil || strings.Join(v.parts, " ") != want {
			t.Errorf("%s: %v, %v", name, v.parts, err)
		}
	}
	for _, bad := range []string{
		"", "half", "full+jwtauth", "wrap-jwtauth", "bare+jwtauth", "wrap+", "wrap+redis", "wrap+events", "node-jwtauth", "full-session-session",
	} {
		if v, err := parseVariant(bad); err == nil {
			t.Errorf("%q is %+v", bad, v)
		}
	}
}

// TestBudgets: figures on both sides of their budgets, and missing ones.
func TestBudgets(t *testing.T) {
	t.Parallel()
	verdicts := func(r *results) map[string]verdict {
		all := make(map[string]verdict)
		for _, row := range r.budgets() {
			if _, ok := all[row.what]; !ok {
				all[row.what] = row.verdict
			}
		}
		return all
	}
	sampled := func(rate float64) []sample { return []sample{{rate: rate, serverCPU: time.Duration(1e9 / rate)}} }
	measured := func(full, lost, heap, join float64) *results {
		return &results{
			config: config{lost: 100_000},
			samples: map[string]map[string][]sample{
				"websocket": {"wrap": sampled(1000), "full": sampled(full), "node": sampled(200)},
				"events":    {"bare": sampled(1000), limited: sampled(full)},
			},
			idle: map[string][]footprint{"bare": {{heap: 20_000}}, "wrap": {{heap: 19_000}}, "full": {{heap: heap, rss: 30_000}}},
			lost: int(lost),
			micro: figures{
				"presence.BenchmarkMemoryJoinLeave/watched=false/grace=false": {"ns/op": {join}},
				"wrap.BenchmarkHandshake/Handler":                             {"allocs/op": {120}},
				"wrap.BenchmarkHandshake/bare":                                {"allocs/op": {100}},
			},
		}
	}
	budgets := []string{
		"WebSocket handshakes/s, full / wrap", "WebSocket handshakes/s, full / node", "handshakes without an answer",
		"events/s with limits of events / bare host",
		"memory of an idle connection, full over bare host: heap and stacks, bytes", "presence join and leave in memory, ns",
	}
	good, bad, none := verdicts(measured(960, 0, 23_072, 2000)), verdicts(measured(700, 1, 23_073, 2001)), verdicts(&results{lost: -1, config: config{lost: 100_000}})
	for _, what := range budgets {
		if good[what] != pass || bad[what] != missed || none[what] != notMeasured {
			t.Errorf("%s: %q, %q, %q", what, good[what], bad[what], none[what])
		}
	}
	if what := "wrap on a polling handshake, allocations more"; good[what] != pass {
		t.Errorf("%s: %q", what, good[what])
	}
	if what := "From of session, ns"; good[what] != notMeasured {
		t.Errorf("%s: %q", what, good[what])
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	c, md, err := parseFlags([]string{"-md", "-quick", "-only", "memory,micro", "-servers", "bare,full-session", "-n", "5"})
	if err != nil || !md || c.rounds != 1 || c.idle != 5 || !c.wants("micro") || c.wants("events") || len(c.serversFor("memory")) != 2 {
		t.Errorf("%+v %t %v", c, md, err)
	}
	if c, _, err := parseFlags([]string{"-no-node"}); err != nil || c.rounds != usual().rounds || strings.Contains(strings.Join(c.serversFor("events"), " "), "node") {
		t.Errorf("%+v %v", c, err)
	}
	for _, args := range [][]string{
		{"-only", "everything"}, {"-no-node", "-servers", "half"}, {"-no-node", "-n", "0"}, {"-no-node", "-time", "-1s"}, {"-no-node", "more"},
	} {
		if _, _, err := parseFlags(args); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// TestFrames: the generator's frames and packets are what they claim to be.
func TestFrames(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 125, 126, 4000} {
		text := strings.Repeat("x", n)
		b := appendFrame(nil, text)
		if !bytes.HasSuffix(b, []byte("\x00\x00\x00\x00"+text)) || b[0] != 0x81 || b[1]&0x80 == 0 {
			t.Errorf("%d bytes: %x", n, b[:min(len(b), 12)])
		}
	}
	for p, want := range map[string]bool{
		`4315["` + echoText + `"]`: true, `4316["` + echoText + `"]`: false, `43["` + echoText + `"]`: false,
		`4315["x"]`: false, `423["` + echoText + `"]`: false, `43-1["` + echoText + `"]`: false, "": false,
	} {
		if _, ok := ackOf([]byte(p)); ok != want {
			t.Errorf("%q: %t", p, ok)
		}
	}
}

// TestPage: docs/benchmarks.md has a place for what -md writes.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok1 := strings.Cut(string(page), "<!-- bench -->\n")
	between, _, ok2 := strings.Cut(rest, "<!-- /bench -->\n")
	if !ok1 || !ok2 {
		t.Fatal("docs/benchmarks.md has no markers")
	}
	for _, row := range (&results{lost: -1, config: usual()}).budgets() {
		if !strings.Contains(between, "| "+row.what+" |") {
			t.Errorf("docs/benchmarks.md has no line %q: run go run ./internal/bench -md", row.what)
		}
	}
}
