package logging

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sioware/sioware/logging/internal/redact"
)

// maxName is how much of an event's name is kept and reported.
const maxName = 64

// started is the time that others are measured from, by the monotonic clock.
var started = time.Now()

// recorder remembers the last events of a socket. Its zero value has none.
type recorder struct {
	mu   sync.Mutex
	ring []recorded
	next int // the oldest, once the ring is full
}

type recorded struct {
	name string
	at   time.Duration // since started
}

// remember adds the event with this payload to the recorder.
func (m *member) remember(payload []byte) {
	n := m.l.opts.Recorder
	if n <= 0 {
		return
	}
	r := m.last.Load()
	if r == nil {
		m.last.CompareAndSwap(nil, new(recorder))
		r = m.last.Load()
	}
	r.add(n, payload, now())
}

// maxShared is how many of the last names are compared with a new one.
const maxShared = 8

// add adds an event that arrived at the given time after started, keeping at most n. Once
// the ring is full, it allocates nothing for one of the last few names.
func (r *recorder) add(n int, payload []byte, at time.Duration) {
	raw, whole, ok := eventName(payload)
	if !ok {
		return
	}
	plain := whole && len(raw) <= maxName && bytes.IndexByte(raw, '\\') < 0
	name := ""
	if !plain {
		if name, ok = decodeName(raw, whole); !ok {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if plain {
		name = r.share(raw)
	}
	e := recorded{name, at}
	if len(r.ring) < n {
		r.ring = append(r.ring, e) // grows gradually: most sockets send little
		return
	}
	r.ring[r.next] = e
	r.next = (r.next + 1) % n
}

// share returns name as a string, shared with one of the last events if possible. r.mu is
// held.
func (r *recorder) share(name []byte) string {
	n := len(r.ring)
	for i := range min(n, maxShared) {
		if known := r.ring[(r.next+n-1-i)%n].name; known == string(name) {
			return known
		}
	}
	return string(name)
}

// maxRead is how much of an event's name is read before it is decoded: a name of maxName
// bytes may consist of escapes of 6 bytes each.
const maxRead = 400

// eventName returns the name of an event as it stands in the payload, between its quotes,
// or as much of it as was read if that is not all.
func eventName(payload []byte) (raw []byte, whole, ok bool) {
	const space = " \t\r\n"
	b := bytes.TrimLeft(payload[:min(len(payload), maxRead)], space)
	if len(b) == 0 || b[0] != '[' {
		return nil, false, false
	}
	b = bytes.TrimLeft(b[1:], space)
	if len(b) == 0 || b[0] != '"' {
		return nil, false, false
	}
	b = b[1:]
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			return b[:i:i], true, true
		case c < ' ':
			return nil, false, false // the host's decoder rejects it too
		case c != '\\':
			i++
			continue
		}
		size := 2
		if i+1 < len(b) && b[i+1] == 'u' {
			size = 6
		}
		if i+size > len(b) {
			b = b[:i] // the rest of an escape has not been read
			break
		}
		i += size
	}
	return b, false, len(payload) > maxRead
}

// decodeName returns the first maxName bytes of a name that has escapes or is longer.
func decodeName(raw []byte, whole bool) (name string, ok bool) {
	name = string(raw)
	if bytes.IndexByte(raw, '\\') >= 0 {
		quoted := make([]byte, 0, maxRead+2)
		quoted = append(append(append(quoted, '"'), raw...), '"')
		if json.Unmarshal(quoted, &name) != nil {
			return "", false
		}
	}
	total := len(name)
	if !whole {
		total += maxName // or more
	}
	return trim(name, maxName, total), true
}

// told returns the last events, oldest first, as "name -1.2s", the time before end. None
// may be left out of a record, since the newest came right before the fault: there are at
// most maxRecorder, each not much longer than maxName.
func (r *recorder) told(end time.Duration) redact.Whole {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := make(redact.Whole, 0, len(r.ring))
	for i := range r.ring {
		e := r.ring[(r.next+i)%len(r.ring)]
		ago, unit := max(0, end-e.at), time.Millisecond
		if ago >= time.Second {
			unit = 100 * time.Millisecond
		}
		told = append(told, e.name+" -"+ago.Round(unit).String())
	}
	return told
}

// cutName returns at most the first maxName bytes of the name of an event. It does not
// keep more than that in memory.
func cutName(name string) string {
	if len(name) <= maxName {
		return name
	}
	return trim(name, maxName, len(name))
}

// trim returns the first n bytes of s, which is part of total bytes, without what looks
// like a secret in them: half of one could no longer be recognized later.
//
//go:noinline
func trim(s string, n, total int) string {
	if total <= n {
		return s
	}
	return strings.Clone(cut(redact.Names(nil).Part(s, total, min(n, len(s))), n))
}

// cut returns the first n bytes of s, or fewer to avoid splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}
