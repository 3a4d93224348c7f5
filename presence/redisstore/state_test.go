package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
	"github.com/sioware/sioware/presence/storetest"
)

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), own()), server.Client(t)
	e := entryOf("r", "u", "1", time.Minute)
	for i, call := range []func() error{
		func() error { return s.Join(t.Context(), e) },
		func() error { return s.Leave(t.Context(), presence.CauseLeft, false, e.Seat) },
		func() error { _, _, err := s.List(t.Context(), "r", "", 1); return err },
		func() error { _, err := s.Evict(t.Context(), "u", presence.CauseKicked, ""); return err },
		func() error { return s.Walk(t.Context()) },
	} {
		if err := c.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := call(); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if r := record(t, s, "r", "u"); r.Last.ID != "1" {
		t.Errorf("%+v", r)
	}
}

// hostile are names that would break what is not prepared for them.
var hostile = []string{
	"__proto__", "constructor", "{}", "{p1}", "}", "*", ":", "a:b", "\n", "\r\n", "\t", " ", "'", `"`, `\`,
	"\xff", "\xff\x00\xfe", "\x00", "a\x00b", "%s%d", "-", "+", "[", "(a", "-inf", "nil", "0", "1:1", "é", "\u202e", "m", "e", "n",
	strings.Repeat("x", 5000), "KEYS[1]", "return redis.call('FLUSHALL')",
}

func TestHostile(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), own())
	h := watch(s)
	rooms := []string{""}
	for _, room := range hostile {
		if !strings.Contains(room, "\x00") {
			rooms = append(rooms, room)
		} else if err := s.Join(t.Context(), entryOf(room, "u", "1", 0)); !errors.Is(err, presence.ErrRoom) {
			t.Errorf("Join in %q: %v", room, err)
		}
	}
	for _, room := range rooms {
		for i, user := range hostile {
			e := entryOf(room, user, fmt.Sprint("d", i), 0)
			e.Meta = json.RawMessage(`"` + user + `"`) // whatever it is
			join(t, s, e)
		}
	}
	for _, room := range rooms {
		all, err := s.Get(t.Context(), room, hostile...)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range all {
			if r.Room != room || r.User != hostile[i] || len(r.Devices) != 1 || string(r.Devices[0].Meta) != `"`+hostile[i]+`"` {
				t.Errorf("%+.500v", r)
			}
		}
		if n, err := s.Count(t.Context(), room); n != len(hostile) || err != nil {
			t.Errorf("%q: %d, %v", room, n, err)
		}
		found := make(map[string]int)
		for cursor, pages := "", 0; ; pages++ {
			page, next, err := s.List(t.Context(), room, cursor, 4)
			if err != nil || pages > 1000 {
				t.Fatalf("%q from %q: %v", room, cursor, err)
			}
			for _, r := range page {
				if r.Room != room {
					t.Errorf("%q in %q", r.Room, room)
				}
				found[r.User]++
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		for _, user := range hostile {
			if found[user] != 1 || len(found) != len(hostile) {
				t.Errorf("%q: %q is listed %d times of %d", room, user, found[user], len(found))
			}
		}
	}
	siotest.Eventually(t, "all are told", func() bool {
		return h.kind(presence.Online, "") == len(hostile) && h.kind(presence.Joined, "") == len(hostile)*(len(rooms)-1)
	})
	for _, user := range hostile {
		if n, err := s.Evict(t.Context(), user, presence.CauseKicked, user); n != 1 || err != nil {
			t.Errorf("Evict %q: %d, %v", user, n, err)
		}
		siotest.Eventually(t, "told", func() bool {
			return h.count(func(e presence.Event) bool {
				return e.Eviction != nil && e.Eviction.User == user && e.Eviction.Reason == user
			}) == 1
		})
	}
}

// A cursor of another room reveals nothing about it.
func TestCursor(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), own())
	for _, user := range []string{"a", "b", "c"} {
		join(t, s, entryOf("", user, user, 0))
		join(t, s, entryOf("r", user, user, 0))
	}
	_, cursor, err := s.List(t.Context(), "r", "", 1)
	if err != nil || cursor == "" {
		t.Fatalf("%q, %v", cursor, err)
	}
	for _, bad := range []string{cursor, "x", "-1:", "64:", "1", ":", "1:x", "99999999999999999999:", "1:m\x00", "\xff"} {
		for name, f := range map[string]func() ([]presence.Record, string, error){
			"other room": func() ([]presence.Record, string, error) { return s.List(t.Context(), "q", bad, 10) },
			"everywhere": func() ([]presence.Record, string, error) { return s.List(t.Context(), "", bad, 10) },
			"all":        func() ([]presence.Record, string, error) { return s.Scan(t.Context(), bad, 10) },
		} {
			records, _, err := f()
			for _, r := range records {
				if name != "all" && (name == "other room" || r.Room != "") {
					t.Errorf("%s, %q: %+v", name, bad, r)
				}
			}
			if (bad == "x" || bad == "64:" || bad == "-1:") && err == nil {
				t.Errorf("%s, %q: no error", name, bad)
			}
		}
	}
}

// What others have put under our keys counts as nothing, and does not stay.
func TestJunk(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	p := redisstore.Partition("", "u")
	for i, junk := range []func(key string) error{
		func(key string) error { return c.RPush(t.Context(), key, "a").Err() },
		func(key string) error { return c.Set(t.Context(), key, "a", 0).Err() },
		func(key string) error { return c.SAdd(t.Context(), key, "a").Err() },
		func(key string) error { return c.HSet(t.Context(), key, "v", "1e300", "a", "b").Err() },
		func(key string) error { return c.ZAdd(t.Context(), key, redis.Z{Score: 5, Member: "a"}).Err() },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			opts := own()
			opts.Lease = time.Second
			s := open(t, c, opts)
			join(t, s, entryOf("", "other", "1", 0))
			for _, key := range append(s.Keys(p), s.NodeKeys()...) {
				siotest.Eventually(t, "it is there", func() bool { // the store may be faster
					c.Del(t.Context(), key)
					return junk(key) == nil
				})
			}
			e := entryOf("", "u", "1", time.Minute)
			siotest.Eventually(t, "it works", func() bool { return s.Join(t.Context(), e) == nil && seated(t, s, "", "u") })
			leave(t, s, e, false)
			siotest.Eventually(t, "settled", s.Settled)
			join(t, s, e)
			leave(t, s, e, true)
			siotest.Eventually(t, "it is listed", func() bool {
				all, _, err := s.List(t.Context(), "", "", 10)
				return err == nil && len(all) == 1 && all[0].User == "other"
			})
		})
	}
}

// Malformed records are not members.
func TestJunkRecords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	s := open(t, c, own())
	p := redisstore.Partition("r", "")
	good := []string{"5", "0", "0", "", "1", "d", "e", "7", "1", "0", ""}
	junk := []string{"", "x", "1:", "3:a", "-1:a", "0x1:a", "1e0:a", redisstore.Pack("1"), redisstore.Pack(good[:10]...)}
	for _, i := range []int{0, 1, 2, 4, 7, 8} {
		for _, v := range []string{"", "x", "-1", "nan", "1e999"} {
			bad := append([]string(nil), good...)
			bad[i] = v
			junk = append(junk, redisstore.Pack(bad...))
		}
	}
	for i, text := range junk {
		name := redisstore.Entity("r", fmt.Sprint(i))
		c.HSet(t.Context(), s.Keys(p)[0], name, text)
		c.ZAdd(t.Context(), s.Keys(p)[1], redis.Z{Member: name})
		c.ZAdd(t.Context(), s.Keys(p)[2], redis.Z{Member: name, Score: 1})
		if r := record(t, s, "r", fmt.Sprint(i)); r.Version != 0 {
			t.Errorf("%q: %+v", text, r)
		}
	}
	all, _, err := s.List(t.Context(), "r", "", 1000)
	if len(all) != 0 || err != nil {
		t.Errorf("%d, %v", len(all), err)
	}
	for i := range junk {
		join(t, s, entryOf("r", fmt.Sprint(i), "1", 0))
		leave(t, s, entryOf("r", fmt.Sprint(i), "1", 0), true)
	}
	if n := c.HLen(t.Context(), s.Keys(p)[0]).Val(); n != 0 {
		t.Errorf("%d records are left", n)
	}
	c.HSet(t.Context(), s.Keys(p)[0], redisstore.Entity("r", "x"), "junk")
	c.ZAdd(t.Context(), s.Keys(p)[1], redis.Z{Member: redisstore.Entity("r", "x")})
	if err := s.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := c.Exists(t.Context(), s.Keys(p)[0], s.Keys(p)[1]).Val(); n != 0 {
		t.Error("the walk has left it")
	}
}

// Seats of nodes that nobody knows go after a lease, once they have been found; and a grace
// that would not end does.
func TestWalk(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	opts := own()
	opts.Lease = time.Second
	a, b := open(t, server.Client(t), opts), open(t, server.Client(t), opts)
	h := watch(b)
	crowd(t, a, "a", 5, 0)
	e := entryOf("", "grace", "1", 100*time.Millisecond)
	join(t, b, e)
	a.Die()
	c.ZRem(t.Context(), a.NodeKeys()[0], a.Epoch())
	leave(t, b, e, false)
	c.Del(t.Context(), b.Keys(redisstore.Partition("", "grace"))[2])
	siotest.Eventually(t, "the node is not known", func() bool {
		_, err := c.ZScore(t.Context(), a.NodeKeys()[1], a.Epoch()).Result()
		return errors.Is(err, redis.Nil)
	})
	if err := b.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "all have gone", func() bool {
		return h.kind(presence.Offline, "") == 6 && h.kind(presence.Left, "") == 5
	})
}

// looked calls f once, when a walk has looked through all partitions so many times.
type looked struct {
	redistest.Hook

	pages atomic.Int32
	times int32
	f     func()
}

func (h *looked) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, c := range cmds {
			if args := c.Args(); err == nil && args[1] == redisstore.WalkHash && h.pages.Add(1) == h.times*redisstore.Partitions {
				h.f()
			}
		}
		return err
	}
}

// A node that is closed while another one walks does not get a lease from that. Nobody
// would renew it: until its end the graces in its charge would not end.
func TestWalkClosed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opts := own()
	c := server.Client(t)
	a, b := open(t, c, opts), open(t, server.Client(t), opts)
	join(t, b, entryOf("", "u", "1", time.Minute))
	if err := a.Walk(t.Context()); err != nil { // Redis has the script then
		t.Fatal(err)
	}
	h := &looked{times: 1, f: func() {
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	c.AddHook(h)
	if err := a.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.pages.Load() < redisstore.Partitions {
		t.Error("the walk has not been seen")
	}
	if n := c.ZCard(t.Context(), a.NodeKeys()[0]).Val(); n != 0 {
		t.Errorf("%d leases", n)
	}
}

// Nor does a dead node whose seats another one gives up meanwhile.
func TestWalkReaped(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	opts := own()
	a, b, other := open(t, c, opts), open(t, server.Client(t), opts), open(t, server.Client(t), opts)
	join(t, b, entryOf("", "u", "1", time.Minute))
	if err := a.Walk(t.Context()); err != nil { // Redis has the script then
		t.Fatal(err)
	}
	b.Die()
	nodes, dying := a.NodeKeys()[0], a.NodeKeys()[1]
	c.ZRem(t.Context(), nodes, b.Epoch())
	c.ZAdd(t.Context(), dying, redis.Z{Score: 9e15, Member: b.Epoch()})
	reaped := false
	c.AddHook(&looked{times: 2, f: func() {
		if err := other.Reap(t.Context(), b.Epoch()); err != nil {
			t.Error(err)
		}
		reaped = c.ZRem(t.Context(), dying, b.Epoch()).Val() == 1
	}})
	if err := a.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !reaped {
		t.Error("the second look has not been seen")
	}
	if err := c.ZScore(t.Context(), nodes, b.Epoch()).Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("it has a lease: %v", err)
	}
}

// The documentation names all commands that the store uses.
func TestACL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	if err := server.Client(t).Do(t.Context(), "ACL", "SETUSER", "app", "on", ">secret", "~sioware:presence:*", "&sioware:presence:events",
		"+eval", "+evalsha", "+subscribe", "+ping", "+del", "+get", "+hdel", "+hexists", "+hget", "+hmget", "+hset", "+hsetnx",
		"+publish", "+set", "+time", "+type", "+zadd", "+zlexcount", "+zrange", "+zrangebylex", "+zrangebyscore", "+zrem",
		"+zremrangebyscore", "+zscore", "+hello").Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "app", Password: "secret", DisableIdentity: true, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	opts := *brisk
	a, b := open(t, client, &opts), open(t, client, &opts)
	h := watch(b)
	crowd(t, a, "a", 5, 0)
	crowd(t, b, "b", 5, 50*time.Millisecond)
	server.Client(t).Set(t.Context(), a.Keys(redisstore.Partition("room", ""))[4], "junk", 0)
	limited := entryOf("", "limited", "1", 0)
	limited.Max = 1
	join(t, b, limited)
	limited.Device = "2"
	join(t, b, limited)
	if n, err := b.Evict(t.Context(), "limited", presence.CauseKicked, ""); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := b.Leave(t.Context(), presence.CauseLeft, false, presence.Seat{User: "b1", Device: "b1"}); err != nil {
		t.Error(err)
	}
	a.Die()
	siotest.Eventually(t, "all have gone", func() bool {
		return h.kind(presence.Offline, "") >= 7 && h.kind(presence.Left, "") >= 5
	})
	for _, call := range []func() error{
		func() error { return b.Walk(t.Context()) },
		func() error { _, err := b.Get(t.Context(), "", "a1", "b1"); return err },
		func() error { _, _, err := b.Scan(t.Context(), "", 3); return err },
		func() error { _, err := b.Count(t.Context(), ""); return err },
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	siotest.Eventually(t, "settled", b.Settled)
}

// Those who have no Redis test by a miniredis, whose Lua is another one.
func TestMini(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("CI", "")
	server := redistest.Start(t)
	if server.Real() {
		t.Fatal("real without a redis-server")
	}
	if !raceEnabled {
		storetest.Run(t, func(t *testing.T) presence.Store { return open(t, server.Client(t), own()) })
	}
	a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
	h := watch(b)
	crowd(t, a, "a", 20, 0)
	a.Die()
	siotest.Eventually(t, "all have gone", func() bool { return h.kind(presence.Offline, "") == 20 })
}

// Calls of all kinds at once, on nodes that heal and lose their subscription all the while:
// in the end Redis has what the nodes hold, and the watchers know it.
func TestStorm(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	opts := own()
	opts.Lease = time.Second
	var nodes []*redisstore.Store
	for range 3 {
		nodes = append(nodes, open(t, server.Client(t), opts))
	}
	c := server.Client(t)
	var mu sync.Mutex
	want := make(map[presence.Seat]bool)
	var wg sync.WaitGroup
	for n, s := range nodes {
		for w := range 8 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(n), uint64(w)))
				for range 300 {
					seat := presence.Seat{
						Room: []string{"", "a", "b"}[random.IntN(3)], User: fmt.Sprint(random.IntN(10)), Device: fmt.Sprint(n, "-", w, "-", random.IntN(3)),
					}
					in := random.IntN(3) > 0
					var err error
					if in {
						err = s.Join(t.Context(), presence.Entry{Seat: seat, Grace: time.Duration(random.IntN(2)) * 50 * time.Millisecond, Away: random.IntN(2) == 0})
					} else {
						err = s.Leave(t.Context(), presence.CauseLeft, random.IntN(2) == 0, seat)
					}
					if err != nil && !errors.Is(err, presence.ErrUnavailable) {
						t.Errorf("%v", err)
					}
					mu.Lock()
					want[seat] = in
					mu.Unlock()
				}
			})
		}
	}
	wg.Go(func() {
		for range 10 {
			<-time.After(20 * time.Millisecond)
			c.ClientKillByFilter(t.Context(), "TYPE", "pubsub")
			<-time.After(20 * time.Millisecond)
			c.FlushAll(t.Context())
		}
	})
	wg.Wait()
	matches := func() bool {
		for seat, in := range want {
			found := false
			for _, d := range record(t, nodes[0], seat.Room, seat.User).Devices {
				found = found || d.ID == seat.Device
			}
			if found != in {
				return false
			}
		}
		return true
	}
	settled := func() bool { return nodes[0].Settled() && nodes[1].Settled() && nodes[2].Settled() }
	siotest.Eventually(t, "Redis has it all", func() bool { return settled() && matches() })
	<-time.After(1500 * time.Millisecond)
	if !matches() {
		t.Error("it has not stayed so")
	}
}
