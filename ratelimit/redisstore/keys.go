package redisstore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// tag returns what stands for key in the name of a Redis key: 128 bits, so that
// nobody who can choose a key finds two with the same tag. It is in braces, so that
// a Cluster places keys by it alone.
func tag(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "{" + base64.RawURLEncoding.EncodeToString(sum[:16]) + "}"
}

func (s *Store) bucketKey(key string) string { return s.prefix + tag(key) }

func (s *Store) slotsKey(key string) string { return s.prefix + "slots:" + tag(key) }

// newID returns an unguessable name for the holder of a slot.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // which never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
