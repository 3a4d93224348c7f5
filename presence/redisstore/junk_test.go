package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence/redisstore"
)

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
