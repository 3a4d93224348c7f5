package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// config holds the values of the flags.
type config struct {
	rounds   int
	length   time.Duration // of one round of one server
	workers  int           // handshakes under way
	conns    int           // connections that send events
	idle     int           // connections that do nothing
	lost     int           // handshakes that must not get lost
	users    int           // users that take turns in handshakes
	bound    time.Duration // after which a handshake counts as lost
	count    int           // runs of each Go benchmark
	bench    time.Duration // how long one runs
	servers  []string      // what is measured; nil: all that the budgets need
	only     []string
	noNode   bool
	profile  string
	progress func(string)
}

// measurements, in the order in which they are made.
var measurements = []string{"websocket", "polling", "events", "lost", "memory", "micro"}

func (c *config) wants(measurement string) bool {
	return len(c.only) == 0 || slices.Contains(c.only, measurement)
}

// limited is the server for the budget of events: with limits of events and nothing else.
const limited = "wrap+ratelimit+events"

// byHand does the same work with Go libraries in plain middlewares.
const byHand = "wrap+plain"

// serversFor returns the servers of a measurement.
func (c *config) serversFor(measurement string) []string {
	if c.servers != nil {
		return c.servers
	}
	names := []string{"bare", "wrap", "full", "node"}
	switch measurement {
	case "websocket":
		names = []string{"bare", "wrap", byHand, "full", "node"}
	case "events":
		names = []string{"bare", "wrap", limited, "full-events", "full", "node-events", "node"}
	}
	if c.noNode {
		names = slices.DeleteFunc(names, func(name string) bool { return name[0] == 'n' })
	}
	return names
}

// results are the measured values, by measurement and server, with one entry per round.
type results struct {
	config  config
	samples map[string]map[string][]sample
	idle    map[string][]footprint
	lost    int
	micro   figures
	took    time.Duration
}

// run makes all requested measurements.
func run(ctx context.Context, c config) (*results, error) {
	begin := time.Now()
	r := &results{config: c, samples: make(map[string]map[string][]sample), lost: -1}
	for _, m := range measurements {
		if !c.wants(m) {
			continue
		}
		var err error
		switch m {
		case "memory":
			err = r.memory()
		case "lost":
			err = r.loss()
		case "micro":
			r.micro, err = runMicros(ctx, c.count, c.bench, c.progress)
		default:
			err = r.rates(m)
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", m, err)
		}
	}
	if c.profile != "" {
		if err := r.profiles(); err != nil {
			return r, fmt.Errorf("profiles: %w", err)
		}
	}
	r.took = time.Since(begin)
	return r, nil
}

// measure runs one round, or longer ones if the machine is too slow.
func (r *results) measure(measurement string, s *server, ids []*identity) (sample, error) {
	c := &r.config
	for length := c.length; ; length *= 2 {
		var got sample
		var err error
		if measurement == "events" {
			got, err = c.events(s, ids, length)
		} else {
			got, err = c.handshakes(s, ids, measurement == "polling", length)
		}
		if !errors.Is(err, errNothing) || length > time.Minute {
			return got, err
		}
	}
}

// rates makes the servers take turns, so that other load on the machine affects all
// alike.
func (r *results) rates(measurement string) error {
	names := r.config.serversFor(measurement)
	servers := make(map[string]*server)
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	users := make(map[string][]*identity)
	for _, name := range names {
		s, err := startServer(name)
		if err != nil {
			return err
		}
		servers[name] = s
		if users[name], err = identities(s, 0, r.config.users); err != nil {
			return err
		}
	}
	samples := make(map[string][]sample)
	r.samples[measurement] = samples
	for i := range r.config.rounds + 1 {
		order := slices.Concat(names[i%len(names):], names[:i%len(names)])
		for _, name := range order {
			got, err := r.measure(measurement, servers[name], users[name])
			if err != nil {
				return err
			}
			r.config.progress(fmt.Sprintf("%s, round %d of %d: %-22s %8.0f/s, %v of the server, p99 %v", measurement, i,
				r.config.rounds, name, got.rate, got.serverCPU, got.p99.Round(time.Microsecond)))
			if i > 0 { // the first one warms up those that compile as they run
				samples[name] = append(samples[name], got)
			}
		}
	}
	return nil
}

// loss counts what gets lost: over WebSocket, and over polling with a tenth of the
// number.
func (r *results) loss() error {
	s, err := startServer("full")
	if err != nil {
		return err
	}
	defer s.stop()
	ids, err := identities(s, 0, r.config.users)
	if err != nil {
		return err
	}
	r.lost = 0
	for polling, n := range map[bool]int{false: r.config.lost, true: r.config.lost / 10} {
		r.config.progress(fmt.Sprintf("lost: %d handshakes, polling %t", n, polling))
		got, err := r.config.lose(s, ids, polling, n)
		if err != nil {
			return err
		}
		r.lost += got
	}
	return nil
}

// memory measures each server in a process of its own, one after the other.
func (r *results) memory() error {
	r.idle = make(map[string][]footprint)
	for i := range min(r.config.rounds, 3) {
		for _, name := range r.config.serversFor("memory") {
			f, err := idle(name, r.config.idle, r.config.bound, "")
			if err != nil {
				return err
			}
			r.config.progress(fmt.Sprintf("memory, round %d: %-22s heap %.0f, stacks %.0f, resident %.0f bytes a connection",
				i+1, name, f.heap, f.stacks, f.rss))
			r.idle[name] = append(r.idle[name], f)
		}
	}
	return nil
}

// profiles writes processor profiles of each rate, and a heap profile with idle
// connections, of full or of the servers that were asked for.
func (r *results) profiles() error {
	names := r.config.servers
	if names == nil {
		names = []string{"full"}
	}
	for _, name := range names {
		v, err := parseVariant(name)
		if err != nil {
			return err
		}
		if v.node {
			continue // node --prof does that
		}
		file := func(kind string) string {
			path, _ := filepath.Abs(filepath.Join(r.config.profile, name+"-"+kind+".pprof"))
			return path
		}
		for _, m := range []string{"websocket", "polling", "events"} {
			if err := r.profile(name, m, file(m)); err != nil {
				return err
			}
		}
		r.config.progress("profile of the heap of " + name)
		if _, err := idle(name, r.config.idle, r.config.bound, file("heap")); err != nil {
			return err
		}
	}
	return nil
}

func (r *results) profile(name, measurement, file string) error {
	r.config.progress("profile of " + measurement + " of " + name)
	s, err := startServer(name)
	if err != nil {
		return err
	}
	defer s.stop()
	ids, err := identities(s, 0, r.config.users)
	if err != nil {
		return err
	}
	if _, err := s.ask("cpu " + file); err != nil {
		return err
	}
	_, err1 := r.measure(measurement, s, ids)
	_, err2 := s.ask("stop")
	return errors.Join(err1, err2)
}

// ratio returns the median of the ratios of a to b, round by round.
func (r *results) ratio(measurement, a, b string, of func(sample) float64) (float64, bool) {
	x, y := r.samples[measurement][a], r.samples[measurement][b]
	if len(x) == 0 || len(x) != len(y) {
		return 0, false
	}
	all := make([]float64, len(x))
	for i := range x {
		all[i] = of(x[i]) / of(y[i])
	}
	return median(all), true
}

// middle returns the median of something over the rounds.
func middle[T any](all []T, of func(T) float64) float64 {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = of(all[i])
	}
	return median(values)
}

// names returns the servers of a measurement in the order in which they ran.
func (r *results) names(measurement string) []string {
	all := r.config.serversFor(measurement)
	have := slices.Collect(maps.Keys(r.samples[measurement]))
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !slices.Contains(have, name) })
}
