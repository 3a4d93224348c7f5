package jwks

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"

	"github.com/sioware/sioware/jwtauth"
)

// TestHugeExponent: 2^64+65537 is not 65537.
func TestHugeExponent(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	e := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(65537))
	body := fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"a","n":%q,"e":%q}]}`, b64(k.N.Bytes()), b64(e.Bytes()))
	s, out, err := parse([]byte(body), algorithms)
	if err != nil {
		t.Fatal(err)
	}
	if keys, _ := s.find(jwtauth.Unverified{KeyID: "a", Algorithm: "RS256"}); len(keys) > 0 {
		t.Errorf("taken, as another key: %v %v", keys, out)
	}
}
