package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
)

// childEnv names the server that a process of this program is to run.
const childEnv = "SIOWARE_BENCH_SERVER"

// report is what a server says about itself. server.mjs says the same.
type report struct {
	URL   string `json:"url,omitempty"`
	Error string `json:"error,omitempty"`

	Live      int64 `json:"live"`      // sockets
	Connected int64 `json:"connected"` // since the start
	Known     int64 `json:"known"`     // of these, known to every part of the server
	Events    int64 `json:"events"`    // since the start

	Heap       int64 `json:"heap"`       // bytes on the heap, after garbage collection
	Stacks     int64 `json:"stacks"`     // bytes of stacks
	Goroutines int   `json:"goroutines"` // 0 for Node
}

// serveChild is the whole of a server's process. It ends when its stdin does, which is
// when the generator has ended, for whatever reason.
func serveChild(name string) error {
	v, err := parseVariant(name)
	if err != nil {
		return err
	}
	var n counters
	h, err := newStack(v, &n)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// Clients that leave with a reset are not worth logging.
	srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(l) }()
	return converse(os.Stdin, os.Stdout, "http://"+l.Addr().String(), &n)
}

// converse answers each line of in with one on out.
func converse(in io.Reader, out io.Writer, url string, n *counters) error {
	enc := json.NewEncoder(out)
	if err := enc.Encode(report{URL: url}); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var r report
		if err := obey(lines.Text(), &r); err != nil {
			r.Error = err.Error()
		}
		r.Live, r.Connected, r.Known, r.Events = n.live.Load(), n.connected.Load(), n.known.Load(), n.events.Load()
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

// profile is the processor profile being written.
var profile *os.File

func obey(line string, r *report) error {
	command, file, _ := strings.Cut(line, " ")
	switch command {
	case "count":
		return nil
	case "memory":
		// Twice: what the first run drops from pools, or finds behind finalizers, the
		// second frees.
		runtime.GC()
		debug.FreeOSMemory()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		r.Heap, r.Stacks, r.Goroutines = int64(s.HeapAlloc), int64(s.StackInuse), runtime.NumGoroutine()
		return nil
	case "cpu": // until "stop"
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		profile = f
		return pprof.StartCPUProfile(f)
	case "stop":
		if profile == nil {
			return errors.New("no profile is being written")
		}
		pprof.StopCPUProfile()
		defer func() { profile = nil }()
		return profile.Close()
	case "heap":
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		runtime.GC()
		return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
	}
	return fmt.Errorf("unknown command %q", line)
}
