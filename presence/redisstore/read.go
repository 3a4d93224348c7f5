package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/presence"
)

// Get implements [presence.Store]. It takes one round trip.
func (s *Store) Get(ctx context.Context, room string, users ...string) ([]presence.Record, error) {
	type lookup struct {
		users []int
		args  []any
	}
	var found [partitions]lookup
	for i, user := range users {
		l := &found[partition(room, user)]
		l.users = append(l.users, i)
		l.args = append(l.args, entity(room, user))
	}
	records := make([]presence.Record, len(users))
	for i, user := range users {
		records[i] = presence.Record{Room: room, User: user}
	}
	if len(users) == 0 || strings.IndexByte(room, 0) >= 0 {
		return records, nil
	}
	var calls []call
	var which [][]int
	for p, l := range found {
		if l.users == nil {
			continue
		}
		keys := s.keys(p)
		calls = append(calls, call{args: append([]any{"HMGET", keys[0]}, l.args...)})
		which = append(which, l.users)
		for _, i := range l.users {
			if room == "" {
				calls = append(calls, call{args: []any{"ZSCORE", keys[4], users[i]}})
				which = append(which, []int{i})
			}
		}
	}
	result := new([]*redis.Cmd)
	err := s.do(ctx, func(ctx context.Context) error {
		cmds, err := s.exec(ctx, calls...)
		*result = cmds
		return err
	})
	if err != nil {
		return nil, err
	}
	for n, c := range *result {
		if calls[n].args[0] == "ZSCORE" {
			r := &records[which[n][0]]
			if r.Version == 0 {
				r.Seen = score(c.Val())
			}
			continue
		}
		all, err := c.Slice()
		if err != nil || len(all) != len(which[n]) {
			return nil, unavailable(fmt.Errorf("%w: %.100v", errReply, c.Val()))
		}
		for j, i := range which[n] {
			text, _ := all[j].(string)
			if r, err := parseRecord(entity(room, users[i]), text); err == nil {
				records[i] = r
			}
		}
	}
	return records, nil
}

// score returns the time of a score in microseconds, which is a float64 or a string,
// depending on the protocol.
func score(v any) time.Time {
	us, ok := v.(float64)
	if text, is := v.(string); is {
		n, err := strconv.ParseFloat(text, 64)
		us, ok = n, err == nil
	}
	if !ok || !(us > 0 && us < 1<<53) {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}
