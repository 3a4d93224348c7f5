package alarm

import (
	"math"
	"time"
)

// heap is a 4-ary heap of alarms by time: half as deep as a binary one, so that
// an alarm moves less often.
type heap struct{ all []*Alarm }

const (
	arity  = 4
	minCap = 1024 // smaller heaps keep their memory when they shrink
)

func (h *heap) len() int { return len(h.all) }

func (h *heap) first() *Alarm {
	if len(h.all) == 0 {
		return nil
	}
	return h.all[0]
}

func (h *heap) push(a *Alarm) {
	h.all = append(h.all, a)
	h.up(len(h.all) - 1)
}

// remove takes a out and reports whether it was armed.
func (h *heap) remove(a *Alarm) bool {
	if a.pos == 0 {
		return false
	}
	i, last := int(a.pos)-1, len(h.all)-1
	moved := h.all[last]
	h.all[last] = nil
	h.all = h.all[:last]
	a.pos = 0
	if i != last {
		h.all[i] = moved
		moved.pos = int32(i + 1)
		h.down(i)
		h.up(int(moved.pos) - 1)
	}
	if cap(h.all) > minCap && len(h.all) < cap(h.all)/4 {
		h.all = append(make([]*Alarm, 0, cap(h.all)/2), h.all...)
	}
	return true
}

func (h *heap) clear() {
	for _, a := range h.all {
		a.pos = 0
	}
	h.all = nil
}

// up moves the alarm at i towards the root while it is earlier than its parent.
func (h *heap) up(i int) {
	a := h.all[i]
	for i > 0 {
		parent := (i - 1) / arity
		if h.all[parent].at <= a.at {
			break
		}
		h.put(i, h.all[parent])
		i = parent
	}
	h.put(i, a)
}

// down moves the alarm at i away from the root while it is later than a child.
func (h *heap) down(i int) {
	a := h.all[i]
	for {
		child := arity*i + 1
		if child >= len(h.all) {
			break
		}
		for j, end := child+1, min(child+arity, len(h.all)); j < end; j++ {
			if h.all[j].at < h.all[child].at {
				child = j
			}
		}
		if a.at <= h.all[child].at {
			break
		}
		h.put(i, h.all[child])
		i = child
	}
	h.put(i, a)
}

func (h *heap) put(i int, a *Alarm) {
	h.all[i] = a
	a.pos = int32(i + 1)
}

// unixNano is t.UnixNano, or the nearest value where that is undefined: before 1678 and
// after 2262.
func unixNano(t time.Time) int64 {
	switch s := t.Unix(); {
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	case s <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	}
	return t.UnixNano()
}

// sub returns a-b, or the nearest duration.
func sub(a, b int64) time.Duration {
	switch d := a - b; {
	case a > b && d < 0:
		return math.MaxInt64
	case a < b && d > 0:
		return math.MinInt64
	default:
		return time.Duration(d)
	}
}
