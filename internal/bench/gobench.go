package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figures are the results of benchmarks: by name, without the number of processors, then
// by unit, with one value per run.
type figures map[string]map[string][]float64

// parseBenchmarks parses the output of "go test -bench". Lines that are not results are
// ignored.
func parseBenchmarks(r io.Reader) (figures, error) {
	all := make(figures)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.ParseInt(fields[1], 10, 64); err != nil {
			continue // a log line that starts like one
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		if all[name] == nil {
			all[name] = make(map[string][]float64)
		}
		if len(fields)%2 != 0 {
			return nil, fmt.Errorf("a value without a unit: %q", lines.Text())
		}
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			all[name][fields[i+1]] = append(all[name][fields[i+1]], v)
		}
	}
	return all, lines.Err()
}

// median returns the middle of the runs of one benchmark.
func (f figures) median(name, unit string) (float64, bool) {
	values := f[name][unit]
	if len(values) == 0 {
		return 0, false
	}
	return median(values), true
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// micros are the benchmarks that budgets are about: the directory, the pattern, and how
// long each runs if that is fixed.
var micros = []struct{ dir, pattern, benchtime string }{
	{"wrap", "^BenchmarkHandshake$/^(bare|Handler)$", ""},
	{"jwtauth", "^BenchmarkVerify$/^HS256$", ""},
	{"ratelimit", "^BenchmarkMemory$/^allowed$/^keys=100000$/^serial$", ""},
	{"internal/bench/ratelimit", "^BenchmarkMemory$/^lib=sioware$", "1x"},
	{"jwtauth", "^BenchmarkFrom$", ""},
	{"ratelimit", "^BenchmarkFrom$", ""},
	{"session", "^BenchmarkFrom$", ""},
	{"logging", "^BenchmarkFrom$", ""},
	{"presence", "^BenchmarkFrom$", ""},
	{"logging", "^BenchmarkHook$/^disabled$", ""},
	{"logging", "^BenchmarkHandler$/^(bare|disabled)$", ""},
	{"presence", "^BenchmarkMemoryJoinLeave$", ""},
	{"presence", "^BenchmarkMemoryMemberBytes$", "1x"},
}

// runMicros runs them; names in the result start with the directory and a dot.
func runMicros(ctx context.Context, count int, benchtime time.Duration, progress func(string)) (figures, error) {
	all := make(figures)
	root := filepath.Join(nodeDir(), "..", "..", "..")
	for _, m := range micros {
		progress("go test -bench " + m.pattern + " ./" + m.dir)
		length := m.benchtime
		if length == "" {
			length = benchtime.String()
		}
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", m.pattern, "-benchmem",
			"-count", strconv.Itoa(count), "-benchtime", length, ".")
		cmd.Dir = filepath.Join(root, filepath.FromSlash(m.dir))
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				out = append(out, exit.Stderr...)
			}
			return nil, fmt.Errorf("go test -bench %s in %s: %w\n%s", m.pattern, m.dir, err, out)
		}
		got, err := parseBenchmarks(bytes.NewReader(out))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.dir, err)
		}
		if len(got) == 0 {
			return nil, fmt.Errorf("%s has no benchmark %s any more", m.dir, m.pattern)
		}
		for name, f := range got {
			all[m.dir+"."+name] = f
		}
	}
	return all, nil
}
