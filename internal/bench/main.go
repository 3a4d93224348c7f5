package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	if name := os.Getenv(childEnv); name != "" {
		if err := serveChild(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	c, md, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = bench(c, md)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// errMissed says that there are figures, but not good enough ones.
var errMissed = errors.New("a budget is missed")

func bench(c config, md bool) error {
	r, err := run(context.Background(), c) // an interrupt ends this process, and thereby its servers
	if err != nil {
		return err
	}
	r.write(os.Stdout, md)
	if slices.ContainsFunc(r.budgets(), func(row row) bool { return row.verdict == missed }) {
		return errMissed
	}
	return nil
}

// usual are the counts of a full run, quick those of a smoke test.
func usual() config {
	return config{
		rounds: 5, length: 3 * time.Second, workers: 32, conns: 50, idle: 10_000, lost: 100_000, users: 2000, bound: 5 * time.Second,
		count: 5, bench: 300 * time.Millisecond, progress: func(text string) { fmt.Fprintln(os.Stderr, text) },
	}
}

func quick() config {
	c := usual()
	c.rounds, c.length, c.idle, c.lost, c.users = 1, 500*time.Millisecond, 1000, 2000, 200
	c.count, c.bench = 1, 20*time.Millisecond
	return c
}

// parseFlags parses the command line.
func parseFlags(args []string) (c config, md bool, err error) {
	c = usual()
	if slices.ContainsFunc(args, func(arg string) bool { return strings.TrimLeft(arg, "-") == "quick" }) {
		c = quick()
	}
	var only, servers string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Bool("quick", false, "small counts, for a look: what it says is not to be quoted")
	f.BoolVar(&md, "md", false, "write Markdown, as in docs/benchmarks.md")
	f.BoolVar(&c.noNode, "no-node", false, "leave the Node server out")
	f.StringVar(&only, "only", "", "measure these alone, `names` with commas between: "+strings.Join(measurements, ", "))
	f.StringVar(&servers, "servers", "", "measure these `servers` in place of the usual ones, such as bare,full,full-session,wrap+jwtauth")
	f.StringVar(&c.profile, "profile", "", "also write profiles of full, or of -servers, to this `directory`")
	f.IntVar(&c.rounds, "rounds", c.rounds, "how often each server has its turn")
	f.DurationVar(&c.length, "time", c.length, "how long a turn takes")
	f.IntVar(&c.workers, "workers", c.workers, "handshakes under way at one time")
	f.IntVar(&c.conns, "conns", c.conns, "connections that send events")
	f.IntVar(&c.idle, "n", c.idle, "idle connections, for memory")
	f.IntVar(&c.lost, "lost", c.lost, "handshakes of which none may be lost")
	if err := f.Parse(args); err != nil {
		return c, md, err
	}
	if f.NArg() > 0 {
		return c, md, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return c, md, c.check(only, servers)
}

// check parses the lists, and finds what cannot work before minutes have passed.
func (c *config) check(only, servers string) error {
	var errs []error
	if only != "" {
		c.only = strings.Split(only, ",")
	}
	for _, name := range c.only {
		if !slices.Contains(measurements, name) {
			errs = append(errs, fmt.Errorf("-only: %q is none of %s", name, strings.Join(measurements, ", ")))
		}
	}
	if servers != "" {
		c.servers = strings.Split(servers, ",")
	}
	for _, n := range []int{c.rounds, c.workers, c.conns, c.idle, c.lost} {
		if n <= 0 {
			errs = append(errs, fmt.Errorf("a count of %d", n))
		}
	}
	if c.length <= 0 {
		errs = append(errs, fmt.Errorf("-time: %v", c.length))
	}
	node := false
	for _, m := range measurements[:5] {
		if !c.wants(m) || m == "lost" {
			continue
		}
		for _, name := range c.serversFor(m) {
			v, err := parseVariant(name)
			errs = append(errs, err)
			node = node || v.node
		}
	}
	if node {
		_, err := findNode()
		errs = append(errs, err)
	}
	if c.profile != "" {
		errs = append(errs, os.MkdirAll(c.profile, 0o755))
	}
	return errors.Join(errs...)
}
