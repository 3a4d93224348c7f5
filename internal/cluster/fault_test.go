//go:build unix

package cluster

import (
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/presence"
)

// many is how many users a node has.
func many() int {
	if testing.Short() {
		return 150
	}
	return 1000
}

// TestNodeKilled: one of three nodes is killed. Its users go offline once each, unless
// they find another node in time; nobody else is affected.
func TestNodeKilled(t *testing.T) {
	c, n := start(t), many()
	nodes := [3]clients{{}, {}, {}}
	first, second, third := c.node(t, c.redis.Addr), c.node(t, c.redis.Addr), c.node(t, c.redis.Addr)
	nodes[0].connect(t, first, 0, n)
	nodes[1].connect(t, second, n, n)
	nodes[2].connect(t, third, 2*n, n)
	c.settle(t, users(nodes[:]...))
	killed := time.Now()
	third.Signal(t, syscall.SIGKILL)
	<-third.Exited()
	moved := make(clients)
	for i := range 20 { // while the lease runs
		moved.connect(t, first, 2*n+i, 1)
	}
	c.settle(t, users(nodes[0], nodes[1], moved))
	t.Logf("%d users offline %v after their node was killed: lease %v, grace %v", n-len(moved), time.Since(killed), lease, grace)
	if off := c.count(presence.Offline, ""); off != n-len(moved) {
		t.Errorf("%d went offline, want %d", off, n-len(moved))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.log {
		if ch.Kind == presence.Offline && ch.Cause != presence.CauseNodeLost {
			t.Errorf("%+v", ch)
		}
	}
}

// TestNodeFrozen: a node that is not heard of for longer than its lease and the grace
// period counts as dead. When it resumes its users are back.
func TestNodeFrozen(t *testing.T) {
	c, n := start(t), many()/4
	there, frozen := make(clients), make(clients)
	first, second := c.node(t, c.redis.Addr), c.node(t, c.redis.Addr)
	there.connect(t, first, 0, n)
	frozen.connect(t, second, n, n)
	c.settle(t, users(there, frozen))
	second.Signal(t, syscall.SIGSTOP)
	c.settle(t, users(there))
	second.Signal(t, syscall.SIGCONT)
	c.settle(t, users(there, frozen))
	if off, on := c.count(presence.Offline, ""), c.count(presence.Online, ""); off != n || on != 3*n {
		t.Errorf("%d went offline and %d online, want %d and %d", off, on, n, 3*n)
	}
}

// TestRedisRestarted: Redis loses everything. Nobody who stays goes offline; those who
// left meanwhile do.
func TestRedisRestarted(t *testing.T) {
	c, n := start(t), many()/4
	all := make(clients)
	node := c.node(t, c.redis.Addr)
	all.connect(t, node, 0, n)
	c.settle(t, users(all))
	c.redis.Kill(t)
	within(t, 10*time.Second, func() string {
		if st, err := c.p.Status(t.Context(), "user-1"); err != nil || !st[0].Stale || !st[0].Online {
			return "not stale, or not known"
		}
		return ""
	})
	all["user-0"].Close()
	delete(all, "user-0")
	all.connect(t, node, n, 3) // while Redis is away
	c.redis.Restart(t)
	c.settle(t, users(all))
	if off := c.count(presence.Offline, ""); off != 1 {
		t.Errorf("%d went offline, want 1", off)
	}
}

// TestFlushed: somebody empties Redis.
func TestFlushed(t *testing.T) {
	c, n := start(t), many()/4
	all := make(clients)
	node := c.node(t, c.redis.Addr)
	all.connect(t, node, 0, n)
	c.settle(t, users(all))
	if err := c.redis.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	c.settle(t, users(all))
	if off := c.count(presence.Offline, ""); off != 0 {
		t.Errorf("%d went offline", off)
	}
	all["user-0"].Close()
	delete(all, "user-0")
	c.settle(t, users(all))
}

// TestFailover: a replica that lacks the last writes replaces Redis: it is missing those
// who have come meanwhile, and still has those who have gone.
func TestFailover(t *testing.T) {
	primary, replica := redistest.Start(t), redistest.Start(t)
	primary.NeedReal(t)
	proxy := redistest.NewProxy(t, primary.Addr)
	c, n := startAt(t, primary, proxy.Addr), many()/4
	node := c.node(t, proxy.Addr)
	all := make(clients)
	all.connect(t, node, 0, n)
	c.settle(t, users(all))

	host, port, err := net.SplitHostPort(primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	copying := replica.Client(t)
	if err := copying.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, func() string {
		if info := copying.Info(t.Context(), "replication").Val(); !strings.Contains(info, "master_link_status:up") {
			return info
		}
		return ""
	})
	if err := copying.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	for i := range n / 4 { // the replica has none of them
		u := "user-" + strconv.Itoa(i)
		all[u].Close()
		delete(all, u)
	}
	all.connect(t, node, n, n/4)
	c.settle(t, users(all))
	proxy.Retarget(replica.Addr)
	primary.Kill(t)
	c.settle(t, users(all))
	if off := c.count(presence.Offline, ""); off < n/4 {
		t.Errorf("%d went offline, want %d", off, n/4)
	}
	gone := "user-" + strconv.Itoa(n-1)
	all[gone].Close()
	delete(all, gone)
	c.settle(t, users(all))
}

// TestPartition: a node cannot reach Redis. For the others its users are gone; for itself
// they are there, and its answers are marked.
func TestPartition(t *testing.T) {
	c, n := start(t), many()/4
	proxy := redistest.NewProxy(t, c.redis.Addr)
	there, cut := make(clients), make(clients)
	first, second := c.node(t, c.redis.Addr), c.node(t, proxy.Addr)
	there.connect(t, first, 0, n)
	cut.connect(t, second, n, n)
	c.settle(t, users(there, cut))
	for _, fault := range []func(){proxy.Cut, proxy.Hang} {
		fault()
		c.settle(t, users(there))
		some := cut["user-"+strconv.Itoa(n)]
		answer, _ := some.EmitAck(t, "status", "user-"+strconv.Itoa(n+1)).Args()[0].(map[string]any)
		if answer["online"] != true || answer["stale"] != true {
			t.Errorf("got %v", answer)
		}
		proxy.Restore()
		c.settle(t, users(there, cut))
	}
}

// TestTwoTabs: the last two tabs close at the same moment, on two nodes.
func TestTwoTabs(t *testing.T) {
	c, n := start(t), many()/4
	one, two := make(clients), make(clients)
	first, second := c.node(t, c.redis.Addr), c.node(t, c.redis.Addr)
	one.connect(t, first, 0, n)
	two.connect(t, second, 0, n)
	c.settle(t, users(one))
	var wg sync.WaitGroup
	for u := range one {
		wg.Go(one[u].Kill)
		wg.Go(two[u].Kill)
	}
	wg.Wait()
	c.settle(t, nil)
	if off, on := c.count(presence.Offline, ""), c.count(presence.Online, ""); off != n || on != n {
		t.Errorf("%d went offline and %d online, want %d", off, on, n)
	}
}

// TestDeadline: clients come back just before and just after they are given up, each time
// to a different node.
func TestDeadline(t *testing.T) {
	c, n := start(t), 50
	first, second := c.node(t, c.redis.Addr), c.node(t, c.redis.Addr)
	all := make(clients)
	all.connect(t, first, 0, n)
	c.settle(t, users(all))
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		var wg sync.WaitGroup
		var mu sync.Mutex
		back := make(clients)
		for u, old := range all {
			wg.Go(func() {
				old.Kill()
				timer := time.NewTimer(grace - 50*time.Millisecond + rand.N(100*time.Millisecond))
				defer timer.Stop()
				<-timer.C
				node := first
				if rand.IntN(2) == 1 {
					node = second
				}
				fresh := dial(t, node, u)
				mu.Lock()
				defer mu.Unlock()
				back[u] = fresh
			})
		}
		wg.Wait()
		all = back
		c.settle(t, users(all))
	}
	t.Logf("%d times offline of %d", c.count(presence.Offline, ""), rounds*n)
}

// TestRollingRestart: nodes shut down one after the other, and their clients find
// another: nobody notices.
func TestRollingRestart(t *testing.T) {
	c, n := start(t), 100
	if testing.Short() {
		n = 25 // all are back within the grace period, also with the race detector
	}
	all := make(clients)
	old := c.node(t, c.redis.Addr)
	all.connect(t, old, 0, n)
	c.settle(t, users(all))
	for range 3 {
		fresh := c.node(t, c.redis.Addr)
		old.Signal(t, syscall.SIGTERM)
		<-old.Exited()
		if err := old.Err(); err != nil {
			t.Fatal(err, old.Stderr())
		}
		all.connect(t, fresh, 0, n)
		old = fresh
	}
	c.settle(t, users(all))
	if off, on := c.count(presence.Offline, ""), c.count(presence.Online, ""); off != 0 || on != n {
		t.Errorf("%d went offline and %d online, want 0 and %d", off, on, n)
	}
}
