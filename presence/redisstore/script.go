package redisstore

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lib.lua
	libSource string
	//go:embed join.lua
	joinSource string
	//go:embed leave.lua
	leaveSource string
	//go:embed evict.lua
	evictSource string
	//go:embed sweep.lua
	sweepSource string
	//go:embed reap.lua
	reapSource string
	//go:embed walk.lua
	walkSource string
	//go:embed list.lua
	listSource string
	//go:embed beat.lua
	beatSource string
	//go:embed adopt.lua
	adoptSource string
	//go:embed mend.lua
	mendSource string
)

// script is a script, and the types of its keys.
type script struct {
	*redis.Script
	types []any
}

var (
	partitionTypes = []any{"hash", "zset", "zset", "hash", "zset"}
	nodeTypes      = []any{"zset", "zset", "hash", "string", "string"}

	joinScript  = script{redis.NewScript(libSource + joinSource), partitionTypes}
	leaveScript = script{redis.NewScript(libSource + leaveSource), partitionTypes}
	evictScript = script{redis.NewScript(libSource + evictSource), partitionTypes}
	sweepScript = script{redis.NewScript(libSource + sweepSource), partitionTypes}
	reapScript  = script{redis.NewScript(libSource + reapSource), partitionTypes}
	walkScript  = script{redis.NewScript(libSource + walkSource), partitionTypes}
	listScript  = script{redis.NewScript(listSource), partitionTypes}
	beatScript  = script{redis.NewScript(beatSource), nodeTypes}
	adoptScript = script{redis.NewScript(adoptSource), nodeTypes}
	mendScript  = redis.NewScript(mendSource)
)

// errReply means that the reply is not one of the script, or not of Redis.
var errReply = errors.New("unexpected reply")

// call is a call of a script or, if that is nil, a command.
type call struct {
	script *script
	keys   []string
	args   []any
}

func (c call) add(ctx context.Context, p redis.Pipeliner, whole bool) *redis.Cmd {
	switch {
	case c.script == nil:
		return p.Do(ctx, c.args...)
	case whole:
		return c.script.Eval(ctx, p, c.keys, c.args...)
	}
	return c.script.EvalSha(ctx, p, c.keys, c.args...)
}

// exec makes calls together, in one round trip unless Redis does not know a script. The
// results are in the commands; the error is the first of theirs other than redis.Nil.
func (s *Store) exec(ctx context.Context, calls ...call) ([]*redis.Cmd, error) {
	cmds := make([]*redis.Cmd, len(calls))
	all := make([]int, len(calls))
	for i := range all {
		all[i] = i
	}
	s.pipeline(ctx, calls, cmds, all, false)
	var unknown, mistyped []int
	for i, c := range cmds {
		if err := c.Err(); redis.HasErrorPrefix(err, "NOSCRIPT") || errors.Is(err, redis.ErrNoScript) {
			unknown = append(unknown, i)
		}
	}
	s.pipeline(ctx, calls, cmds, unknown, true)
	for i, c := range cmds {
		if calls[i].script != nil && c.Err() != nil && strings.Contains(c.Err().Error(), "WRONGTYPE") {
			mistyped = append(mistyped, i)
		}
	}
	for _, i := range mistyped {
		s.logger.ErrorContext(ctx, "redisstore: a key of another application is removed", "keys", calls[i].keys, "error", cmds[i].Err())
		keys := calls[i].keys
		if mendScript.Run(ctx, s.client, keys, calls[i].script.types[:len(keys)]...).Err() == nil {
			s.needHeal("what was stored may be lost")
		}
	}
	s.pipeline(ctx, calls, cmds, mistyped, true)
	var err error
	for _, c := range cmds {
		if e := c.Err(); e != nil && !errors.Is(e, redis.Nil) {
			err = cmp.Or(err, e)
		}
	}
	return cmds, err
}

// pipeline makes the calls in which, with whole scripts if whole is set.
func (s *Store) pipeline(ctx context.Context, calls []call, cmds []*redis.Cmd, which []int, whole bool) {
	if len(which) == 0 {
		return
	}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, i := range which {
			cmds[i] = calls[i].add(ctx, p, whole)
		}
		return nil
	})
	for _, i := range which {
		if err != nil && cmds[i].Err() == nil && cmds[i].Val() == nil {
			cmds[i].SetErr(err) // it was not sent
		}
	}
}

// texts returns a reply that is a list of strings.
func texts(c *redis.Cmd) ([]string, error) {
	all, err := c.Slice()
	if err != nil {
		return nil, err
	}
	out := make([]string, len(all))
	for i, v := range all {
		text, ok := v.(string)
		if !ok {
			return nil, errReply
		}
		out[i] = text
	}
	return out, nil
}
