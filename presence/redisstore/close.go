package redisstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/presence"
)

// Close implements [presence.Store]. If Redis is away, the users of this process stay
// members until its lease has ended, and then for their grace. Close waits for what runs in
// the background, and thus for a call of a function given to Watch, which must not call
// Close, and for calls under way, up to the timeouts of the client; but no longer than ctx,
// whose error it then returns. Methods called afterwards return [presence.ErrClosed]. It
// may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		b := s.back
		s.mu.Unlock()
		if b != nil {
			b.cancel()
		}
		go func() {
			defer close(s.over)
			if b != nil {
				_ = b.feed.Close(context.WithoutCancel(ctx))
				b.running.Wait()
				err := s.drain(ctx)
				s.running.Wait() // a call under way may get a lease
				s.resign(context.WithoutCancel(ctx), err)
			}
			s.running.Wait()
		}()
	})
	select {
	case <-s.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain gives up all seats that are held.
func (s *Store) drain(ctx context.Context) (failed error) {
	s.mu.Lock()
	var all []leave
	for _, l := range s.seats.leaves {
		all = append(all, l)
	}
	var held []presence.Seat
	for _, d := range s.seats.devices {
		for _, h := range d.seats {
			held = append(held, h.entry.Seat)
		}
	}
	for _, seat := range held {
		all = append(all, s.seats.giveUp(seat, presence.CauseDrained, false))
	}
	s.mu.Unlock()
	sortLeaves(all) // puts those of one partition into one batch
	for batch := range slices.Chunk(all, maxBatch*maxCallsAtOnce) {
		err := s.try(ctx, func(ctx context.Context) error { return s.vacate(ctx, batch) })
		failed = cmp.Or(failed, err)
	}
	return failed // perhaps of a part of Redis only
}

// resign gives up the lease, unless seats may be left: those must end with the lease.
func (s *Store) resign(ctx context.Context, failed error) {
	s.mu.Lock()
	n, epochs := len(s.node.retired), []string{s.node.epoch}
	if s.node.next != "" {
		epochs = append(epochs, s.node.next)
	}
	s.mu.Unlock()
	switch {
	case failed != nil:
		s.logger.WarnContext(ctx, "redisstore: seats are not given up, and end with the lease", "error", failed)
		return
	case n > 0:
		return // the retired epochs may have seats
	}
	err := s.try(ctx, func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.ZRem(ctx, s.nodeKeys()[0], epochs)
			p.HDel(ctx, s.nodeKeys()[2], epochs...) // in case others have extended it
			return nil
		})
		return err
	})
	if err != nil {
		s.logger.WarnContext(ctx, "redisstore: the lease is not given up", "error", err)
	}
}
