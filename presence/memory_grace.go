package presence

import (
	"time"

	"github.com/sioware/sioware/internal/alarm"
)

// memGrace is the grace of a member without devices.
type memGrace struct {
	alarm alarm.Alarm
	last  Device // the device that left last
	cause Cause
	seen  time.Time
}

// suspend begins the grace of x, whose last device was d. It does not set
// the alarm that ends it.
func (s *memShard) suspend(x *memMember, d Device, cause Cause, at time.Time) {
	x.devices = nil
	g := &memGrace{last: d, cause: cause, seen: at}
	g.alarm.Run = func() { s.expire(x, g) }
	x.pending = g
}

// resume ends the grace of x, if it has one, early.
func (s *memShard) resume(x *memMember) {
	if x.pending != nil {
		s.store.clock.Stop(&x.pending.alarm) // expire notices if it runs already
		x.pending = nil
	}
}

// expire is called when the grace g of x has ended.
func (s *memShard) expire(x *memMember, g *memGrace) {
	s.mu.Lock()
	if x.pending == g && !s.closed {
		s.exit(x, g.cause, time.Now(), g.seen)
	}
	s.mu.Unlock()
	s.store.events.deliver()
}
