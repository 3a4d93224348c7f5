package jwks

import (
	"slices"
	"strings"
	"testing"
)

// FuzzParse: a key set never panics, and yields keys only for the algorithms of
// public keys, never more than a token may be tried with.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"keys":[{"kty":"RSA","use":"sig","e":"AQAB","n":"AQ"}]}`,
		`{"keys":[{"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}`,
		`{"keys":[{"kty":"RSA","alg":"HS256","e":"AQAB","n":"AQ","d":"AQ"},{"kty":"OKP","crv":"X25519","x":""},7,null,[]]}`,
		`{"keys":[{"KTY":"oct","kty":"OKP","key_ops":["verify"]}],"keys":[]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","Kid":"a","x5c":"","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","X":"!"}]}`,
		`{"keys":null}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, out, err := parse(body, algorithms)
		if err != nil {
			return
		}
		if s.count > maxKeys || len(out) > maxKeys+1 {
			t.Errorf("%d keys, %d left out", s.count, len(out))
		}
		for n, keys := range s.keys {
			if !slices.Contains(algorithms, n.alg) {
				t.Errorf("a key for %q", n.alg)
			}
			if len(keys) == 0 || len(keys) > maxFound {
				t.Errorf("%d keys for %v", len(keys), n)
			}
			for _, k := range keys {
				if strings.Contains(k.String(), "HMAC") || k.String() == "" {
					t.Errorf("a key that is a %s", k)
				}
			}
		}
	})
}
