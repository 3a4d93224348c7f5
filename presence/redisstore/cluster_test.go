package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
	"github.com/sioware/sioware/presence/storetest"
)

// The names of keys and the pipelines suit a Cluster.
func TestCluster(t *testing.T) {
	t.Parallel()
	client := redistest.StartCluster(t, 3).Client(t)
	storetest.Run(t, func(t *testing.T) presence.Store { return open(t, client, own()) })
	t.Run("Die", func(t *testing.T) {
		a, b := open(t, client, brisk), open(t, client, brisk)
		h := watch(b)
		crowd(t, a, "a", 20, 0)
		a.Die()
		siotest.Eventually(t, "all have gone", func() bool { return h.kind(presence.Offline, "") == 20 })
	})
}

// A Cluster that has lost a server serves what the others have, and is told again what it
// has forgotten when the server is back.
func TestClusterServerAway(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	a, b := open(t, cluster.Client(t), brisk), open(t, cluster.Client(t), unhurried)
	const grace = 100 * time.Millisecond
	gone, stay, come := spread("gone"), spread("stay"), spread("come")
	for p := range redisstore.Partitions {
		join(t, a, entryOf("", gone[p], "1", grace))
		join(t, a, entryOf("", stay[p], "1", grace))
	}

	// That of the leases is another case: without it nothing goes on.
	holds := func(s *redistest.Server, key string) bool {
		n, err := s.Client(t).Exists(t.Context(), key).Result()
		return err == nil && n > 0
	}
	dead := cluster.Servers[0]
	if holds(dead, a.NodeKeys()[0]) {
		dead = cluster.Servers[1]
	}
	var lost [redisstore.Partitions]bool
	for p := range lost {
		lost[p] = holds(dead, a.Keys(p)[0])
	}
	dead.Kill(t)
	for p := range redisstore.Partitions {
		if lost[p] {
			continue
		}
		join(t, a, entryOf("", come[p], "1", grace))
		leave(t, a, entryOf("", gone[p], "1", 0), false)
	}
	for p := range redisstore.Partitions {
		if lost[p] {
			continue
		}
		siotest.Eventually(t, "who has come is known", func() bool { return seated(t, b, "", come[p]) })
		siotest.Eventually(t, "who has gone is offline", func() bool { return !seated(t, b, "", gone[p]) })
	}
	dead.Restart(t)
	for p := range redisstore.Partitions {
		siotest.Eventually(t, "who has stayed is known", func() bool { return seated(t, b, "", stay[p]) })
	}
	siotest.Eventually(t, "settled", a.Settled)
}

// A part of Redis that goes back to what it was a moment ago, as after a failover, or to
// nothing, is told what it lacks, though nobody loses a connection, and nothing changes.
func TestPartitionOlder(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		t.Run(fmt.Sprintf("empty=%v", empty), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			server.NeedReal(t)
			client := server.Client(t)
			a := open(t, client, brisk)
			gone, come := spread("gone"), spread("come")
			const p = 7
			join(t, a, entryOf("", gone[p], "1", 0))
			was := make(map[string]string)
			for _, key := range a.Keys(p) {
				if dump, err := client.Dump(t.Context(), key).Result(); err == nil && !empty {
					was[key] = dump
				}
			}
			leave(t, a, entryOf("", gone[p], "1", 0), true)
			join(t, a, entryOf("", come[p], "1", 0))
			siotest.Eventually(t, "the version is known", func() bool { return a.Known(p) })
			pipe := client.TxPipeline()
			for _, key := range a.Keys(p) {
				pipe.Del(t.Context(), key)
				if dump := was[key]; dump != "" {
					pipe.RestoreReplace(t.Context(), key, 0, dump)
				}
			}
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			siotest.Eventually(t, "who has come is known", func() bool { return seated(t, a, "", come[p]) })
			siotest.Eventually(t, "who has gone is not", func() bool { return !seated(t, a, "", gone[p]) })
			siotest.Eventually(t, "settled", a.Settled)
		})
	}
}
