package redisstore

import (
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// SetPing has s look after its subscription more often. Call it before Watch.
func (s *Store) SetPing(d time.Duration) { s.pingEvery = d }

// Encode and Decode are the format of the channel.
var (
	Encode = encode
	Decode = decode
)

// Keys returns the keys that belong to l.
func (s *Store) Keys(l jwtauth.Login) []string {
	return append(s.subjectKeys(l), s.idKey(hash(l.ID)))
}
