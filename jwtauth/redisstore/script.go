package redisstore

import (
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/internal/millis"
)

//go:embed admit.lua
var admitSource string

//go:embed revoke.lua
var revokeSource string

var (
	admit  = redis.NewScript(admitSource)
	revoke = redis.NewScript(revokeSource)
)

// The arguments of admit that change between two calls.
const (
	argKnown   = 6
	argRevoked = 7
	argCommit  = 8
	argMessage = 10
)

// loginArgs returns the arguments of admit for a call that changes nothing.
func (s *Store) loginArgs(l jwtauth.Login) []any {
	issued, replaces := any(""), ""
	if !l.IssuedAt.IsZero() {
		issued = millis.Of(l.IssuedAt)
	}
	if l.Replaces != "" {
		replaces = hash(l.Replaces)
	}
	policy := "newest"
	if l.Policy == jwtauth.OldestLogin {
		policy = "oldest"
	}
	return []any{policy, hash(l.Name), hash(l.ID), issued, millis.Of(l.Until), replaces, "", 0, 0, s.channel(), ""}
}

// decision is what admit returns.
type decision struct {
	verdict jwtauth.Verdict
	changes bool   // a call with commit would change something
	holder  string // the hash of the token ID of the login that holds the place
}

// ask is a verdict of the script that the Store never returns.
const ask = jwtauth.Verdict(-1)

var verdicts = map[string]jwtauth.Verdict{
	"ask":      ask,
	"admitted": jwtauth.Admitted,
	"revoked":  jwtauth.Revoked,
	"replaced": jwtauth.Replaced,
	"occupied": jwtauth.Occupied,
}

// errReply means that the reply is not one of the script, or not of Redis.
var errReply = errors.New("unexpected reply")

func parseDecision(c *redis.Cmd) (decision, error) {
	reply, err := c.Slice()
	if err != nil {
		return decision{verdict: jwtauth.Revoked}, err
	}
	if len(reply) == 3 {
		name, _ := reply[0].(string)
		changes, _ := reply[1].(int64)
		holder, _ := reply[2].(string)
		if v, ok := verdicts[name]; ok {
			return decision{v, changes != 0, holder}, nil
		}
	}
	return decision{verdict: jwtauth.Revoked}, fmt.Errorf("%w: %.100v", errReply, reply)
}
