//go:build unix

package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

const (
	lease = time.Second
	grace = time.Second
	room  = "lobby"
	// envRedis tells a node where its Redis is.
	envRedis = "CLUSTER_REDIS"
)

func TestMain(m *testing.M) {
	siotest.Main(m, map[string]func(func(string)){"node": node}, siotest.IgnoreHostTimers()...)
}

// user returns who a client claims to be.
func user(s *socket.Socket) (string, bool) {
	return s.Request().Request().URL.Query().Get("user"), true
}

func newTracker(addr string) (*presence.Tracker, func(context.Context) error, error) {
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store, err := redisstore.New(client, &redisstore.Options{Lease: lease, Logger: logger})
	if err != nil {
		return nil, nil, err
	}
	p, err := presence.New(user, &presence.Options{Store: store, Grace: grace, Logger: logger})
	if err != nil {
		return nil, nil, err
	}
	return p, func(ctx context.Context) error {
		for _, end := range []func(context.Context) error{p.Close, store.Close, func(context.Context) error { return client.Close() }} {
			if err := end(ctx); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// node runs a server. SIGTERM shuts it down gracefully.
func node(report func(url string)) {
	p, end, err := newTracker(os.Getenv(envRedis))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	o := socket.DefaultServerOptions()
	o.SetPingTimeout(5 * time.Second)
	report(siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.Serve(func(io *socket.Server) {
		wrap.UseAll(io, p.Middleware())
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = p.Join(wrap.Context(s), s, room, nil) // others learn of it later, if Redis is away
			_ = s.On("status", func(args ...any) {
				name, _ := args[0].(string)
				all, err := p.Status(wrap.Context(s), name)
				if err == nil {
					args[len(args)-1].(socket.Ack)([]any{map[string]any{"online": all[0].Online, "stale": all[0].Stale}}, nil)
				}
			})
		})
	}))
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	<-terminate
	if err := end(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// cluster is a Redis, nodes, and an observer.
type cluster struct {
	redis *redistest.Server
	p     *presence.Tracker // on a node without clients

	mu     sync.Mutex
	log    []presence.Change
	online map[string]bool // according to the changes reported
	member map[string]bool
	bad    []string
}

func start(t *testing.T) *cluster {
	t.Helper()
	server := redistest.Start(t)
	return startAt(t, server, server.Addr)
}

// startAt starts a cluster that reaches its Redis at addr.
func startAt(t *testing.T, server *redistest.Server, addr string) *cluster {
	t.Helper()
	server.NeedReal(t)
	c := &cluster{redis: server, online: make(map[string]bool), member: make(map[string]bool)}
	p, end, err := newTracker(addr)
	if err != nil {
		t.Fatal(err)
	}
	c.p = p
	stop := p.Watch(c.heard)
	t.Cleanup(func() {
		stop()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := end(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// node starts a server.
func (c *cluster) node(t *testing.T, redis string) *siotest.Child {
	t.Helper()
	t.Setenv(envRedis, redis)
	return siotest.ChildProcess(t, "node")
}

// heard checks that those who come were not there, and those who go were.
func (c *cluster) heard(ch presence.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, ch)
	there := c.online
	if ch.Room != "" {
		there = c.member
	}
	comes := ch.Kind == presence.Online || ch.Kind == presence.Joined
	goes := ch.Kind == presence.Offline || ch.Kind == presence.Left
	if ch.Kind == presence.Missed || (comes || goes) && there[ch.User] == comes {
		c.bad = append(c.bad, fmt.Sprintf("%+v", ch))
	}
	if comes {
		there[ch.User] = true
	}
	if goes {
		delete(there, ch.User)
	}
}

// count returns how many changes of a kind there were.
func (c *cluster) count(kind presence.Kind, room string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.log {
		if ch.Kind == kind && ch.Room == room {
			n++
		}
	}
	return n
}

// settle waits until those online, according to the changes and to the Store, are those
// of want, and checks all changes.
func (c *cluster) settle(t *testing.T, want map[string]bool) {
	t.Helper()
	within(t, 60*time.Second, func() string {
		n, err := c.p.Count(t.Context(), "")
		m, _ := c.p.Count(t.Context(), room)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil || n != len(want) || m != n || len(c.online) != n || len(c.member) != n {
			return fmt.Sprintf("online %d, members %d of %d; told %d, %d; %v", n, m, len(want), len(c.online), len(c.member), err)
		}
		for u := range want {
			if !c.online[u] || !c.member[u] {
				return u + " is not told to be there"
			}
		}
		return ""
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	versions := make(map[[2]string]uint64)
	for _, ch := range c.log {
		k := [2]string{ch.Room, ch.User}
		if ch.Version <= versions[k] {
			t.Errorf("version %d after %d: %+v", ch.Version, versions[k], ch)
		}
		versions[k] = ch.Version
	}
	if len(c.bad) > 0 {
		t.Errorf("%d told twice, such as %s", len(c.bad), c.bad[0])
	}
}

// within waits until missing returns "".
func within(t *testing.T, d time.Duration, missing func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d); ; <-tick.C {
		what := missing()
		if what == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// clients are connections by their users.
type clients map[string]*siotest.Client

// connect connects n users to a node, named from first on.
func (all clients) connect(t *testing.T, n *siotest.Child, first, count int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	few := make(chan struct{}, 8) // at once
	for i := first; i < first+count; i++ {
		few <- struct{}{}
		wg.Go(func() {
			defer func() { <-few }()
			u := fmt.Sprintf("user-%d", i)
			c := dial(t, n, u)
			mu.Lock()
			defer mu.Unlock()
			all[u] = c
		})
	}
	wg.Wait()
}

func dial(t *testing.T, n *siotest.Child, user string) *siotest.Client {
	t.Helper()
	c := n.Server().Dial(t, siotest.Dial{Query: url.Values{"user": {user}}})
	c.Connected(t)
	return c
}

// users are those of clients.
func users(all ...clients) map[string]bool {
	set := make(map[string]bool)
	for _, some := range all {
		for u := range some {
			set[u] = true
		}
	}
	return set
}
