package redistest

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// nobody is an address where nobody listens.
const nobody = "127.0.0.1:1"

// Options are options of a store, and words of the error that New must return for them;
// none if they are valid.
type Options[O any] struct {
	Name string
	Of   O
	None bool // there is no client
	Want []string
}

// New tests the New of a store, which must find faults without asking Redis: with clients
// that no store accepts, and with options.
func New[O any, S interface {
	comparable
	Closer
}](t *testing.T, open func(redis.UniversalClient, O) (S, error), options ...Options[O]) {
	t.Helper()
	cluster := func(o redis.ClusterOptions) redis.UniversalClient {
		o.Addrs = []string{nobody}
		c := redis.NewClusterClient(&o)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": nobody}})
	t.Cleanup(func() { _ = ring.Close() })
	check := func(name string, client redis.UniversalClient, opts O, want ...string) {
		t.Run(name, func(t *testing.T) {
			var none S
			s, err := open(client, opts)
			if (err == nil) != (want == nil) || (s == none) != (err != nil) {
				t.Fatalf("New: %v, %v", s, err)
			}
			if err == nil {
				Closing(t, s)
			}
			for _, w := range want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v, want %q", err, w)
				}
			}
		})
	}
	var defaults O
	check("defaults", Client(t, nobody), defaults)
	check("cluster", cluster(redis.ClusterOptions{}), defaults)
	check("no client", nil, defaults, "no client")
	check("nil client", (*redis.Client)(nil), defaults, "no client")
	check("nil cluster", (*redis.ClusterClient)(nil), defaults, "no client")
	check("nil ring", (*redis.Ring)(nil), defaults, "Ring")
	check("ring", ring, defaults, "Ring")
	check("replicas", cluster(redis.ClusterOptions{ReadOnly: true}), defaults, "ReadOnly", "replicas")
	check("replicas at random", cluster(redis.ClusterOptions{RouteRandomly: true}), defaults, "replicas")
	for _, o := range options {
		client := redis.UniversalClient(Client(t, nobody))
		if o.None {
			client = nil
		}
		check(o.Name, client, o.Of, o.Want...)
	}
}
