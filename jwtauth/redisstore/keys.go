package redisstore

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/sioware/sioware/jwtauth"
)

// hash returns what stands for v in keys and values: 128 bits, so that nobody
// who can choose a subject or an ID finds two with the same hash.
func hash(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (s *Store) channel() string { return s.prefix + "changes" }

func (s *Store) idKey(hash string) string { return s.prefix + "id:{" + hash + "}" }

// subjectKeys returns the keys of the script: the revocation of the subject, whatever its
// issuer; the login; the names of logins that were replaced; and the names of the login.
func (s *Store) subjectKeys(l jwtauth.Login) []string {
	tag, issuer := "{"+hash(l.Subject)+"}", hash(l.Issuer)
	return []string{
		s.prefix + "subject:" + tag,
		s.prefix + "login:" + tag + issuer,
		s.prefix + "replaced:" + tag + issuer,
		s.prefix + "names:" + tag + issuer,
	}
}
