package redisstore

import (
	"crypto/rand"
	"encoding/base64"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/sioware/sioware/presence"
)

// partitions is how many there are. It must never change, and be the same for all nodes.
const partitions = 64

// partition returns where a room is, or what is known about a user everywhere.
func partition(room, user string) int {
	h := fnv.New64a()
	if room == "" {
		room = user
	}
	_, _ = h.Write([]byte(room))
	sum := h.Sum64()
	return int((sum ^ sum>>32) % partitions)
}

// entity returns what stands for a user in a room, in the keys of its partition. Those
// of one room are adjacent.
func entity(room, user string) string { return "m" + room + "\x00" + user }

// parseEntity is the inverse of entity.
func parseEntity(e string) (room, user string, ok bool) {
	e, ok = strings.CutPrefix(e, "m")
	if !ok {
		return "", "", false
	}
	room, user, ok = strings.Cut(e, "\x00")
	return room, user, ok && user != ""
}

// rangeOf returns the bounds of a room's entities, in the syntax of ZRANGEBYLEX.
func rangeOf(room string) (from, to string) {
	return "[m" + room + "\x00", "(m" + room + "\x01"
}

// evictionMark returns the name of the mark left for a seat whose device was evicted.
func evictionMark(device, entity string) string { return "e" + device + "\x00" + entity }

// check returns why there cannot be such a seat, or nil.
func check(seat presence.Seat) error {
	if seat.User == "" {
		return presence.ErrUser
	}
	if strings.IndexByte(seat.Room, 0) >= 0 {
		return presence.ErrRoom
	}
	return nil
}

// keys returns the names of the keys of a partition, in the order in which scripts take
// them.
func (s *Store) keys(p int) []string {
	base := s.prefix + "{p" + strconv.Itoa(p) + "}:"
	return []string{base + "members", base + "order", base + "due", base + "marks", base + "seen"}
}

// nodeKeys returns the names of the keys about nodes.
func (s *Store) nodeKeys() []string {
	base := s.prefix + "{n}:"
	return []string{base + "nodes", base + "dying", base + "expiry", base + "last", base + "walk"}
}

func (s *Store) channel() string { return s.prefix + "events" }

// newEpoch returns a name for a node. It is not a number counted by Redis, which would
// start again in a Redis that comes back empty.
func newEpoch() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
