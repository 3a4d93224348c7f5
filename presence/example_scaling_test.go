package presence_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/jwtauth"
	jwtredis "github.com/sioware/sioware/jwtauth/redisstore"
	"github.com/sioware/sioware/presence"
	presenceredis "github.com/sioware/sioware/presence/redisstore"
	"github.com/sioware/sioware/ratelimit"
	limitredis "github.com/sioware/sioware/ratelimit/redisstore"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io-go-redis/adapter"
	"github.com/zishang520/socket.io-go-redis/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// What docs/scaling.md shows; a test compares them, and TestScaling runs it.

// scaled is one node of several.
type scaled struct {
	revocations *jwtredis.Store
	buckets     *limitredis.Store
	seats       *presenceredis.Store

	auth   *jwtauth.Auth[jwtauth.Claims]
	limit  *ratelimit.Limiter
	online *presence.Tracker

	io     *socket.Server
	server *http.Server
	quit   context.CancelFunc // from here on the proxy is to send nobody
	ended  chan struct{}      // closed when io is
}

// newScaled returns a node. If it fails, what it has opened is left open: the process
// is to end then. timeout is for one call of Redis.
func newScaled(ctx context.Context, client *redis.Client, timeout time.Duration, keys jwtauth.Keys, proxies ...netip.Prefix) (*scaled, error) {
	n := scaled{ended: make(chan struct{})}
	var err1, err2, err3 error
	n.revocations, err1 = jwtredis.New(client, &jwtredis.Options{Timeout: timeout})
	n.buckets, err2 = limitredis.New(client, &limitredis.Options{Timeout: timeout})
	n.seats, err3 = presenceredis.New(client, &presenceredis.Options{Timeout: timeout})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	n.auth, err1 = jwtauth.New(keys, &jwtauth.Options[jwtauth.Claims]{Store: n.revocations})
	if err1 != nil {
		return nil, err1
	}
	n.limit, err2 = ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{
		Store:          n.buckets,
		Outage:         ratelimit.Insured, // the default: each node for itself while Redis is away
		TrustedProxies: proxies,           // or all clients are one
	})
	n.online, err3 = presence.New(n.auth.Subject, &presence.Options{Store: n.seats, Grace: time.Minute})
	if err := errors.Join(err2, err3); err != nil {
		return nil, err
	}

	opts := wrap.Harden(nil)
	opts.SetAdapter(&adapter.ShardedRedisAdapterBuilder{Redis: types.NewRedisClient(ctx, client)}) // before NewServer
	n.io = socket.NewServer(nil, opts)
	wrap.UseAll(n.io, wrap.Require(), n.limit.Middleware(), n.auth.Middleware(), n.online.Middleware())

	stopping, quit := context.WithCancel(ctx)
	n.quit = quit
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", wrap.Handler(n.io.ServeHandler(nil), wrap.Origin(), n.limit.Handler))
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		if stopping.Err() != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	n.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	n.server.RegisterOnShutdown(func() {
		defer close(n.ended)
		n.io.Close(nil)
	})
	return &n, nil
}

// close ends a node so that nobody notices.
func (n *scaled) close(ctx context.Context) error {
	n.quit() // /ready says 503, so that the proxy sends newcomers elsewhere
	err := errors.Join(
		n.online.Close(ctx),    // first: users stay online for their grace, and find another node
		n.seats.Close(ctx),     // and the others know that this one goes
		n.server.Shutdown(ctx), // takes no connections, and calls io.Close, which ends those there are
	)
	select { // Shutdown does not wait for that
	case <-n.ended:
	case <-ctx.Done():
	}
	return errors.Join(err, n.auth.Close(ctx), n.buckets.Close(ctx), n.revocations.Close(ctx))
}

// TestScaling: two nodes know the same users and revocations, and one that is closed in
// order hands its users over.
func TestScaling(t *testing.T) {
	server := redistest.Start(t)
	server.NeedReal(t)                // sharded channels
	const patience = 30 * time.Second // the machine may be busy
	ctx, cancel := context.WithCancel(context.Background())
	var nodes [2]*scaled
	var sites [2]hubSite
	for i := range nodes {
		client := redistest.Client(t, server.Addr)
		n, err := newScaled(ctx, client, patience, jwtauth.HMAC(hubSecret))
		if err != nil {
			t.Fatal(err)
		}
		site := httptest.NewUnstartedServer(nil)
		site.Config = n.server
		site.Start()
		nodes[i], sites[i] = n, hubSite{n.io, site}
	}
	// The adapters' subscriptions end with their context, and then with the clients.
	t.Cleanup(cancel)
	closed := false
	t.Cleanup(func() {
		for i, n := range nodes {
			if i == 0 && closed {
				continue
			}
			if err := n.close(context.Background()); err != nil {
				t.Error(err)
			}
		}
		for _, site := range sites {
			site.close()
		}
	})

	ada, bob := sites[0].enter("/", "ada"), sites[0].enter("/", "bob")
	defer ada.Close()
	defer bob.Close()
	there := func(user string, devices int) {
		t.Helper()
		for begin := time.Now(); ; <-time.After(5 * time.Millisecond) {
			all, err := nodes[1].online.Status(t.Context(), user)
			if err == nil && !all[0].Stale && all[0].Online && len(all[0].Devices) == devices {
				return
			}
			if time.Since(begin) > patience {
				t.Fatalf("%s: %+v, %v; want %d devices", user, all, err, devices)
			}
		}
	}
	there("ada", 1)
	there("bob", 1)
	if _, err := nodes[1].auth.Revoke(t.Context(), jwtauth.BySubject("ada")); err != nil {
		t.Fatal(err)
	}
	if got := hear(ada, "kicked"); got != `{"code":"token_revoked","message":"Token revoked","retryable":false}` {
		t.Errorf("kicked with %s", got)
	}

	closed = true
	if err := nodes[0].close(t.Context()); err != nil {
		t.Error(err)
	}
	for i, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		w := httptest.NewRecorder()
		nodes[i].server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ready", nil))
		if w.Code != want {
			t.Errorf("node %d: /ready says %d, want %d", i, w.Code, want)
		}
	}
	there("bob", 0) // in his grace
	defer sites[1].enter("/", "bob").Close()
	there("bob", 1)
}
