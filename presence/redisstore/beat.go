package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// maxNames is how many old epochs keep their leases: there is one more for each
// subscription that is lost while a part of Redis is away.
const maxNames = 100

// node is this process as a node. The Store's lock guards it.
type node struct {
	epoch      string
	next       string // an epoch that may or may not have a lease; "" if there is none
	registered bool
	heal       string   // why a new epoch is needed; "" if none is
	retired    []string // epochs whose seats are being taken again, in this order
	live       []string // epochs of all nodes
	failing    bool     // the last call for the lease failed
	quietUntil time.Time
}

// beat is a call for the lease of a node.
type beat struct {
	epoch  string
	fresh  bool // it has no lease yet
	old    []string
	unused string
	reaped string
	claims bool // it is free to reap another node
}

// beatReply is the result of a beat.
type beatReply struct {
	lost   bool
	dead   string // to be reaped; "" if there is none
	ended  string // when the lease of dead ended, in microseconds
	next   time.Duration
	walk   bool // walk through all partitions
	epochs []string
}

func (s *Store) beat(ctx context.Context, b beat) (beatReply, error) {
	args := []any{s.lease.Microseconds(), b.epoch, b.fresh, b.unused, b.reaped, b.claims}
	for _, old := range b.old[max(0, len(b.old)-maxNames):] {
		args = append(args, old)
	}
	cmds, err := s.exec(ctx, call{&beatScript, s.nodeKeys(), args})
	if err != nil {
		return beatReply{}, err
	}
	reply, err := texts(cmds[0])
	if err != nil {
		return beatReply{}, err
	}
	if len(reply) < 5 {
		return beatReply{}, fmt.Errorf("%w: %.100q", errReply, reply)
	}
	us, err := strconv.ParseInt(reply[3], 10, 64)
	if err != nil {
		return beatReply{}, fmt.Errorf("%w: %.100q", errReply, reply)
	}
	return beatReply{
		lost: reply[0] != "ok", dead: reply[1], ended: reply[2],
		next: time.Duration(us) * time.Microsecond, walk: reply[4] == "1", epochs: reply[5:],
	}, nil
}

// register gets a lease, if there is none yet: a seat of a node without one might
// stay forever.
func (s *Store) register(ctx context.Context) error {
	s.mu.Lock()
	epoch, registered := s.node.epoch, s.node.registered
	s.mu.Unlock()
	if registered {
		return nil
	}
	if _, err := s.beat(ctx, beat{epoch: epoch, fresh: true}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node.epoch == epoch {
		s.node.registered = true
	}
	return nil
}

// needHeal makes the keeper take a new epoch, and all seats in it.
func (s *Store) needHeal(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.back != nil && s.node.heal == "" {
		s.node.heal = why
		s.wake()
	}
}
