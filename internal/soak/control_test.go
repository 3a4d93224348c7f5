//go:build linux

package soak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"

	"github.com/sioware/sioware/presence"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// stats are what the server says about itself.
type stats struct {
	// These must be as they were.
	Heap, Objects uint64
	Files         int

	// These must be 0.
	Clients, Sockets, Rooms int // of the host
	Online, Members, Listed int // of presence: counts, and what Members finds
	Here                    int // according to Watch
	InFlight                float64
	Sessions                int

	Opened, Closed, Refused, Abandoned float64 // of prommetrics
	Tokens                             int     // revocations and logins that are stored
	Lines                              int     // of the log
	Records                            map[string]int
	Faults                             []string // what should not have happened
	Stay                               []string // sockets and rooms that are there
	Open                               []string // files
}

// rooms are those of the clients.
var rooms = []string{"r0", "r1", "r2", "r3"}

func (s *server) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /control/stats", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(s.stats(r))
	})
	for _, name := range []string{"goroutine", "heap"} {
		mux.HandleFunc("GET /control/"+name, func(w http.ResponseWriter, _ *http.Request) {
			_ = pprof.Lookup(name).WriteTo(w, 1)
		})
	}
}

func (s *server) stats(r *http.Request) (st stats) {
	st.Clients = int(s.io.Engine().ClientsCount())
	st.Sockets, st.Rooms, st.Stay = s.namespaces.count()
	ctx := r.Context()
	st.Online, _ = s.online.Count(ctx, "")
	for _, room := range append([]string{""}, rooms...) {
		if room != "" {
			n, _ := s.online.Count(ctx, room)
			st.Members += n
		}
		for _, err := range s.online.Members(ctx, room) {
			if st.Listed++; err != nil {
				s.told.fault("Members: " + err.Error())
			}
		}
	}
	st.Sessions = s.store.count()
	st.Tokens = s.tokens.Len()
	families, err := s.registry.Gather()
	if err != nil {
		s.told.fault("Gather: " + err.Error())
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "sioware_connections_in_flight":
				st.InFlight += m.GetGauge().GetValue()
			case "sioware_connections_opened_total":
				st.Opened += m.GetCounter().GetValue()
			case "sioware_connections_closed_total":
				st.Closed += m.GetCounter().GetValue()
			case "sioware_connections_refused_total":
				st.Refused += m.GetCounter().GetValue()
			case "sioware_connections_abandoned_total":
				st.Abandoned += m.GetCounter().GetValue()
			}
		}
	}
	s.told.mu.Lock()
	st.Here = len(s.told.here)
	st.Faults = append(st.Faults, s.told.faults...)
	s.told.mu.Unlock()
	s.log.mu.Lock()
	st.Lines, st.Records = s.log.lines, maps.Clone(s.log.records)
	st.Faults = append(st.Faults, s.log.faults...)
	s.log.mu.Unlock()
	for range 3 { // finalizers, cleanups, and what they have released
		runtime.GC()
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	st.Heap, st.Objects = mem.HeapAlloc, mem.HeapObjects
	if files, err := os.ReadDir("/proc/self/fd"); err == nil { // not earlier: the tables cover the whole machine
		st.Files = len(files)
		st.Open = describe(files)
	}
	return st
}

// describe names the files of this process, and the connections by their inode, remote
// address and state (of /proc/net/tcp: 1 is established, 8 waits for us to close it).
func describe(files []os.DirEntry) (all []string) {
	states := make(map[string]string)
	for _, table := range []string{"tcp", "tcp6"} {
		text, _ := os.ReadFile("/proc/self/net/" + table)
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 {
				states["socket:["+f[9]+"]"] = " to " + f[2] + " state " + f[3]
			}
		}
	}
	for _, f := range files {
		name, err := os.Readlink("/proc/self/fd/" + f.Name())
		if err == nil {
			all = append(all, f.Name()+" "+name+states[name])
		}
	}
	return all
}

// namespaces are all namespaces of the server.
type namespaces struct {
	mu  sync.Mutex
	all []socket.Namespace
}

func (n *namespaces) watch(io *socket.Server) {
	n.all = append(n.all, io.Sockets())
	_ = io.On("new_namespace", func(args ...any) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.all = append(n.all, args[0].(socket.Namespace))
	})
}

// count counts sockets and rooms, and names some.
func (n *namespaces) count() (sockets, rooms int, names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	add := func(what, name string, left int) {
		if len(names) < 10 {
			names = append(names, fmt.Sprintf("%s %s (%d)", what, name, left))
		}
	}
	for _, nsp := range n.all {
		nsp.Sockets().Range(func(id socket.SocketId, c *socket.Socket) bool {
			sockets++
			add("socket", nsp.Name()+" "+c.Conn().ReadyState()+" "+c.Conn().Transport().Name(), 1)
			return true
		})
		nsp.Adapter().Rooms().Range(func(room socket.Room, ids *types.Set[socket.SocketId]) bool {
			rooms++
			add("room", nsp.Name()+" "+string(room), ids.Len())
			return true
		})
		nsp.Adapter().Sids().Range(func(id socket.SocketId, of *types.Set[socket.Room]) bool {
			rooms++
			add("sid", nsp.Name()+" "+string(id), of.Len())
			return true
		})
	}
	return sockets, rooms, names
}

// told records who is online according to presence.
type told struct {
	mu     sync.Mutex
	here   map[[2]string]bool
	faults []string
}

func (t *told) fault(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.faults) < 20 {
		t.faults = append(t.faults, text)
	}
}

// hear checks that those who come were not there, and those who go were.
func (t *told) hear(c presence.Change) {
	key := [2]string{c.Room, c.User}
	comes := c.Kind == presence.Online || c.Kind == presence.Joined
	goes := c.Kind == presence.Offline || c.Kind == presence.Left
	t.mu.Lock()
	if t.here == nil {
		t.here = make(map[[2]string]bool)
	}
	wrong := (comes || goes) && t.here[key] == comes
	if comes {
		t.here[key] = true
	}
	if goes {
		delete(t.here, key)
	}
	t.mu.Unlock()
	if wrong {
		t.fault("told twice: " + c.User + " in " + c.Room)
	}
}

// journal is where the log goes. It keeps what must not be in it.
type journal struct {
	mu      sync.Mutex
	lines   int
	records map[string]int // warnings and errors, by their message
	faults  []string
}

func newJournal() *journal { return &journal{records: make(map[string]int)} }

// jwtHeader is the start of every token: {"alg":"
const jwtHeader = "eyJhbGciOi"

// Write gets one record at a time.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines++
	var record struct{ Level, Msg string }
	bad := json.Unmarshal(p, &record) != nil || bytes.Contains(p, []byte(jwtHeader))
	if record.Level == "ERROR" || bytes.Contains(p, []byte("panic")) {
		bad = bad || !bytes.Contains(p, []byte(onPurpose))
	}
	if bad && len(j.faults) < 20 {
		j.faults = append(j.faults, "log: "+strings.TrimSpace(string(p)))
	}
	if (record.Level == "WARN" || record.Level == "ERROR") && len(j.records) < 100 {
		j.records[record.Level+" "+record.Msg]++
	}
	return len(p), nil
}
