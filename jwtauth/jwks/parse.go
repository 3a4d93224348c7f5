package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/sioware/sioware/jwtauth"
)

const (
	maxKeys  = 100 // how many keys of a set are considered
	maxFound = 4   // how many of them one token is tried with: each costs a verification
)

// snapshot is an immutable key set.
type snapshot struct {
	keys  map[name][]jwtauth.Key // at most maxFound each
	kids  map[string]struct{}    // of keys, whatever they are for
	count int
}

// name is what a token says about its key. An empty kid stands for all keys.
type name struct{ kid, alg string }

// find returns the keys that h may mean. It returns false if such a key may
// have been published since.
func (s *snapshot) find(h jwtauth.Unverified) ([]jwtauth.Key, bool) {
	if keys, ok := s.keys[name{h.KeyID, h.Algorithm}]; ok {
		return keys, true
	}
	if h.KeyID == "" {
		return nil, false
	}
	_, ok := s.kids[h.KeyID]
	return nil, ok
}

func (s *snapshot) add(n name, k jwtauth.Key) {
	if len(s.keys[n]) < maxFound {
		s.keys[n] = append(s.keys[n], k)
	}
}

// unused is a key that is left out, and the level to log it at.
type unused struct {
	kid   string
	err   error
	level slog.Level
}

// parse returns the keys of body that may be used with one of allowed, and those
// that are left out. It returns an error if body is not a key set.
func parse(body []byte, allowed []string) (*snapshot, []unused, error) {
	// Not a struct: its fields would match members in any case.
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return nil, nil, errors.New("not a JSON object") // the error would quote the body
	}
	var list []json.RawMessage
	if err := json.Unmarshal(object["keys"], &list); err != nil || list == nil {
		return nil, nil, errors.New(`not a key set: no array "keys"`)
	}

	s := &snapshot{keys: make(map[name][]jwtauth.Key), kids: make(map[string]struct{})}
	var out []unused
	if len(list) > maxKeys {
		out = append(out, unused{"", fmt.Errorf("%d keys beyond the first %d", len(list)-maxKeys, maxKeys), slog.LevelWarn})
		list = list[:maxKeys]
	}
	for _, raw := range list {
		m, err := decode(raw)
		if err != nil {
			out = append(out, unused{"", errors.New("malformed key"), slog.LevelWarn})
			continue
		}
		// Tokens that name an unusable key need no fetch either.
		if m.KID != "" {
			s.kids[m.KID] = struct{}{}
		}
		key, algs, level, err := usable(m, allowed)
		if err != nil {
			out = append(out, unused{m.KID, err, level})
			continue
		}
		s.count++
		for _, alg := range algs {
			s.add(name{"", alg}, key)
			if m.KID != "" {
				s.add(name{m.KID, alg}, key)
			}
		}
	}
	return s, out, nil
}

// members are the members of a key that usable looks at (RFC 7517, section 4; RFC
// 7518, section 6).
var members = []string{
	"kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "k", "d", "p", "q", "dp", "dq", "qi", "oth",
}

// decode reads a key by the exact names of its members, and ignores all others: "USE"
// is not its use, and a malformed certificate does not matter.
func decode(raw json.RawMessage) (m jwkset.JWKMarshal, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return m, err
	}
	if all == nil {
		return m, errors.New("null")
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(members, name) })
	exact, err := json.Marshal(all)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(exact, &m)
}

// usable returns the key that m describes and the algorithms to use it with. If
// there are none it returns an error and the level to log it at.
func usable(m jwkset.JWKMarshal, allowed []string) (jwtauth.Key, []string, slog.Level, error) {
	refuse := func(level slog.Level, format string, args ...any) (jwtauth.Key, []string, slog.Level, error) {
		return jwtauth.Key{}, nil, level, fmt.Errorf(format, args...)
	}
	switch {
	case m.KTY == jwkset.KtyOct || m.K != "":
		return refuse(slog.LevelError, "a secret has been published: it is no longer one")
	case m.D != "" || m.P != "" || m.Q != "" || m.DP != "" || m.DQ != "" || m.QI != "" || len(m.OTH) > 0:
		// Its public part would verify, but so would anything that a reader of the set signs.
		return refuse(slog.LevelError, "a private key has been published: anybody can sign with it")
	case m.USE != "" && m.USE != jwkset.UseSig:
		return refuse(slog.LevelDebug, "use is %.32q, not sig", m.USE)
	case m.KEYOPS != nil && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify):
		return refuse(slog.LevelDebug, "key_ops has no verify")
	case m.ALG != "" && !slices.Contains(algorithms, string(m.ALG)):
		return refuse(slog.LevelDebug, "alg is %.32q", m.ALG)
	case len(m.E) > 8: // of base64; jwkset cuts off what is beyond 64 bits
		return refuse(slog.LevelWarn, "an exponent of more than 48 bits")
	}

	// The key alone: everything else is checked above.
	jwk, err := jwkset.NewJWKFromMarshal(jwkset.JWKMarshal{
		KTY: m.KTY, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E,
	}, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return refuse(slog.LevelWarn, "malformed key: %w", err)
	}
	var suit []string
	switch key := jwk.Key().(type) {
	case *rsa.PublicKey:
		suit = rsaAlgorithms
	case *ecdsa.PublicKey:
		suit = []string{ecAlgorithms[key.Curve.Params().Name]}
	case ed25519.PublicKey:
		suit = []string{"EdDSA"}
	default: // X25519
		return refuse(slog.LevelDebug, "crv %.32q is not for signatures", m.CRV)
	}
	if m.ALG != "" {
		if !slices.Contains(suit, string(m.ALG)) {
			return refuse(slog.LevelWarn, "alg %s does not suit the key", m.ALG)
		}
		suit = []string{string(m.ALG)}
	}
	algs := slices.DeleteFunc(slices.Clone(suit), func(alg string) bool { return !slices.Contains(allowed, alg) })
	if len(algs) == 0 {
		return refuse(slog.LevelDebug, "Options.Algorithms has none that suits the key")
	}
	key, err := jwtauth.NewKey(jwk.Key(), algs...)
	if err != nil {
		return refuse(slog.LevelWarn, "%w", err)
	}
	return key, algs, 0, nil
}
