package redistest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// hashSlots is how many slots a Cluster has.
const hashSlots = 16384

// Cluster is a Redis Cluster without replicas. Each of its servers has part of the slots,
// and keeps its role in the Cluster when it is restarted.
type Cluster struct {
	Servers []*Server
}

// StartCluster starts a Cluster of n empty servers, which serve what they have while
// others are away. Without a redis-server the test is skipped, or fails as in [Start].
func StartCluster(tb testing.TB, n int) *Cluster {
	tb.Helper()
	c := new(Cluster)
	var clients []*redis.Client
	for i := range n {
		s := Start(tb, "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
		c.Servers = append(c.Servers, s)
		client := s.Client(tb)
		clients = append(clients, client)
		host, port, _ := strings.Cut(c.Servers[0].Addr, ":")
		for _, cmd := range []redis.Cmder{
			client.Do(tb.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1), // no two may have the same
			client.ClusterAddSlotsRange(tb.Context(), i*hashSlots/n, (i+1)*hashSlots/n-1),
			client.ClusterMeet(tb.Context(), host, port), // the first meets itself, which does nothing
		} {
			if err := cmd.Err(); err != nil {
				tb.Fatalf("redistest: %v", err)
			}
		}
	}
	// whole reports whether a server knows who has which slots, and serves.
	whole := func(client *redis.Client) bool {
		shards, err := client.ClusterShards(tb.Context()).Result()
		parts := 0
		for _, s := range shards {
			parts += len(s.Slots)
		}
		return err == nil && parts == n && strings.Contains(client.ClusterInfo(tb.Context()).Val(), "cluster_state:ok")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(3 * bound); len(clients) > 0; <-tick.C {
		if time.Now().After(end) {
			tb.Fatalf("redistest: %d servers of a Cluster do not find the others", len(clients))
		}
		clients = slices.DeleteFunc(clients, whole)
	}
	return c
}

// Client returns a client that is closed with the test.
func (c *Cluster) Client(tb testing.TB) *redis.ClusterClient {
	var addrs []string
	for _, s := range c.Servers {
		addrs = append(addrs, s.Addr)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	tb.Cleanup(func() { _ = client.Close() })
	return client
}
