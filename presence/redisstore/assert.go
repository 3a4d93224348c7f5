package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/presence"
)

const (
	// maxBatch is how many seats one script takes or gives up: it blocks Redis for
	// about a millisecond.
	maxBatch = 200
	// maxCallsAtOnce is how many scripts are in one pipeline.
	maxCallsAtOnce = 10
)

// errFenced means that others have declared this node dead.
var errFenced = errors.New("this node was presumed dead")

// outcome is the result of a call for one seat.
type outcome struct {
	seq       uint64 // of the call; 0 if there is no result
	refused   bool
	full      bool // otherwise evicted
	elsewhere bool // from the room ""
	cause     presence.Cause
	reason    string
}

// lookUp returns a call that finds out whether a device was evicted from the room "",
// which may be in another partition.
func (s *Store) lookUp(user, device string) call {
	marks := s.keys(partition("", user))[3]
	return call{args: []any{"HGET", marks, evictionMark(device, entity("", user))}}
}

// assert tells Redis of seats that are held, in one round trip. The seats of a group are in
// one partition. It returns the outcomes in the order of the seats. If there is an error
// some are unknown, and their seq is 0.
func (s *Store) assert(ctx context.Context, lookUp *call, groups ...[]*held) ([]outcome, error) {
	var calls []call
	var all []outcome
	var seats []*held
	var first []int // outcome of each call
	s.mu.Lock()
	for _, group := range groups {
		first = append(first, len(all))
		c := call{script: &joinScript}
		for _, h := range group {
			if h.gone {
				continue
			}
			e := h.entry
			if c.keys == nil {
				c.keys, c.args = s.keys(h.partition), []any{s.channel(), h.partition, s.node.epoch}
			}
			s.seats.seq++
			h.seq = s.seats.seq
			h.flying++
			c.args = append(c.args, entity(e.Room, e.User), e.Device, h.seq, h.since, e.Away, []byte(e.Meta), micros(e.Grace), max(0, e.Max), e.Keep, h.known)
			all, seats = append(all, outcome{seq: h.seq}), append(seats, h)
		}
		if c.keys != nil {
			calls = append(calls, c)
		} else {
			first = first[:len(first)-1]
		}
	}
	s.mu.Unlock()
	if len(calls) == 0 {
		return make([]outcome, 1), nil // for a Join that was overtaken by a Leave
	}
	if lookUp != nil {
		calls = append(calls, *lookUp)
	}
	cmds, err := s.exec(ctx, calls...)
	fenced := false
	for i, c := range cmds[:len(first)] {
		end := len(all)
		if i+1 < len(first) {
			end = first[i+1]
		}
		e := s.settle(c, seats[first[i]:end], all[first[i]:end])
		fenced = fenced || errors.Is(e, errFenced)
		err = cmp.Or(err, e)
	}
	if fenced {
		s.needHeal(errFenced.Error())
	}
	if lookUp != nil && err == nil && cmds[len(first)].Err() == nil {
		text, _ := cmds[len(first)].Text()
		o := &all[0]
		o.refused, o.full, o.elsewhere = true, false, true
		if why, err := unpack(text); err == nil && len(why) > 1 {
			o.cause, o.reason = presence.Cause(why[0]), why[1]
		}
	}
	return all, err
}

// settle reads the reply to a call of join.lua.
func (s *Store) settle(c *redis.Cmd, seats []*held, all []outcome) error {
	reply, err := texts(c)
	var refused redis.Error
	switch {
	case err != nil && !errors.As(err, &refused) && !errors.Is(err, errReply):
		for i := range all {
			all[i].seq = 0
		}
		return err // the calls may still be on their way
	case err == nil && len(reply) == 1 && reply[0] == "fenced":
		err = errFenced
	case err == nil && len(reply) != 3*len(seats):
		err = fmt.Errorf("%w: %.100q", errReply, reply)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, h := range seats {
		h.flying--
		if err != nil {
			all[i].seq = 0
			continue
		}
		status, a, b := reply[3*i], reply[3*i+1], reply[3*i+2]
		switch status {
		case "ok":
			h.known = h.seq == all[i].seq
			if us, err := strconv.ParseInt(a, 10, 64); err == nil && us > 0 {
				h.since = us
			}
		case "full":
			all[i].refused, all[i].full = true, true
		default:
			all[i].refused, all[i].cause, all[i].reason = true, presence.Cause(a), b
		}
	}
	return err
}

// vacate tells Redis of seats that are given up, in one round trip. Those that Redis has
// been told of are settled even if there is an error, which may concern only a part of
// Redis.
func (s *Store) vacate(ctx context.Context, leaves []leave) error {
	type group struct {
		partition int
		cause     presence.Cause
		now       bool
	}
	open := make(map[group]int)
	var calls []call
	var where []int
	var made [][]leave // for each call
	for _, l := range leaves {
		g := group{partition(l.Room, l.User), l.cause, l.now}
		i, ok := open[g]
		if !ok || len(calls[i].args) >= 5+4*maxBatch {
			i = len(calls)
			open[g] = i
			calls = append(calls, call{&leaveScript, s.keys(g.partition), []any{s.channel(), g.partition, string(g.cause), g.now}})
			where, made = append(where, g.partition), append(made, nil)
		}
		made[i] = append(made[i], l)
		calls[i].args = append(calls[i].args, entity(l.Room, l.User), l.Device, l.seq, l.doubt)
	}
	if len(calls) == 0 {
		return nil
	}
	cmds, err := s.exec(ctx, calls...)
	for i, c := range cmds {
		if text, e := c.Text(); e == nil {
			s.mu.Lock()
			s.seats.settle(made[i])
			s.mu.Unlock()
			s.expect(where[i], text)
		}
	}
	return err
}

// expect schedules a sweep of a partition in so many microseconds, as a script has returned.
func (s *Store) expect(p int, wait string) {
	us, err := strconv.ParseInt(wait, 10, 64)
	if err != nil || us < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.start()
		s.back.sweeps.plan(p, time.Now().Add(time.Duration(us)*time.Microsecond))
	}
}

// inGroups returns seats in groups for assert.
func inGroups(all []*held) [][]*held {
	slices.SortFunc(all, func(a, b *held) int { return cmp.Compare(a.partition, b.partition) })
	var groups [][]*held
	for len(all) > 0 {
		n := 1
		for n < len(all) && n < maxBatch && all[n].partition == all[0].partition {
			n++
		}
		groups = append(groups, all[:n:n])
		all = all[n:]
	}
	return groups
}
