package redisstore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// tag is what stands for key in the name of a key of Redis: 128 bits, so that nobody
// who can choose what he is limited by finds two alike. In braces, so that a Cluster
// puts keys by it alone.
func tag(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "{" + base64.RawURLEncoding.EncodeToString(sum[:16]) + "}"
}

func (s *Store) bucketKey(key string) string { return s.prefix + tag(key) }

func (s *Store) slotsKey(key string) string { return s.prefix + "slots:" + tag(key) }

// newID returns a name for who holds a slot.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // which never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
