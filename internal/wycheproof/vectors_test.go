package wycheproof_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/MicahParks/jwkset"
	"github.com/c2sp/wycheproof"
	"github.com/sioware/sioware/jwtauth/internal/jws"
)

// file is one file of vectors.
type file struct {
	NumberOfTests int
	TestGroups    []group
}

// group is a group of vectors with one key, or one set of keys.
type group struct {
	Comment         string
	Public, Private json.RawMessage // as JWK or JWK set; private includes those without a public one
	Tests           []vector
}

type vector struct {
	ID      int `json:"tcId"`
	Comment string
	Result  string
	JWS     json.RawMessage // a string, or an object in JSON serialization
	JWE     json.RawMessage
}

func load(t *testing.T, name string) file {
	t.Helper()
	data, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// stage is what has refused a vector.
type stage string

const (
	bySet    stage = "the key set"
	byJWK    stage = "what a JWK says of its use"
	byJWKSet stage = "jwkset"
	byNewKey stage = "jws.NewKey"
	byParse  stage = "jws.Parse"
	byKeyID  stage = "no key with the kid"
	byVerify stage = "jws.Verify"
)

type named struct {
	id  string
	key jws.Key
}

// keysOf makes keys of a JWK or a set as a server has to, before anything of a
// token counts. Each refusal is as strict as the vectors ask for.
func keysOf(raw json.RawMessage) ([]named, stage, error) {
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, bySet, err
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{raw}
	}
	var keys []named
	symmetric := 0
	for _, raw := range set.Keys {
		var m jwkset.JWKMarshal
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, byJWKSet, err
		}
		if m.KTY == jwkset.KtyOct {
			symmetric++
		}
		if slices.ContainsFunc(keys, func(k named) bool { return k.id == m.KID }) {
			return nil, bySet, errors.New("two keys with one kid")
		}
		if m.USE != "" && m.USE != jwkset.UseSig {
			return nil, byJWK, fmt.Errorf("use is %q", m.USE)
		}
		if len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
			return nil, byJWK, fmt.Errorf("key_ops is %q", m.KEYOPS)
		}
		var algs []string
		if m.ALG != "" {
			algs = []string{m.ALG.String()}
		}
		jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: m.KTY == jwkset.KtyOct}, jwkset.JWKValidateOptions{})
		if err != nil {
			return nil, byJWKSet, err
		}
		key, err := jws.NewKey(jwk.Key(), algs...)
		if err != nil {
			return nil, byNewKey, err
		}
		keys = append(keys, named{m.KID, key})
	}
	if symmetric > 0 && symmetric < len(keys) {
		return nil, bySet, errors.New("secrets beside public keys")
	}
	return keys, "", nil
}

// judge returns what refuses the vector, or "" if nothing does. The token comes
// first, so that a key that is refused hides nothing of it, and in the file about
// keys second.
func judge(g group, v vector, keysFirst bool) (stage, error) {
	raw := g.Public
	if raw == nil {
		raw = g.Private
	}
	keys, by, keyErr := keysOf(raw)
	if keysFirst && keyErr != nil {
		return by, keyErr
	}
	var text string
	if json.Unmarshal(v.JWS, &text) != nil {
		text = string(v.JWS)
	}
	token, err := jws.Parse(text)
	if err != nil {
		return byParse, err
	}
	if keyErr != nil {
		return by, keyErr
	}
	err = errors.New("kid is unknown")
	by = byKeyID
	for _, k := range keys {
		if token.Header.KeyID != "" && k.id != "" && k.id != token.Header.KeyID {
			continue
		}
		if err = token.Verify(k.key); err == nil {
			return "", nil
		}
		by = byVerify
	}
	return by, err
}

func TestVectors(t *testing.T) {
	for _, name := range []string{"json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"} {
		t.Run(name, func(t *testing.T) {
			f := load(t, name)
			total, encrypted := 0, 0
			stages := map[stage]int{}
			exceptions := maps.Clone(exceptions[name])
			for _, g := range f.TestGroups {
				for _, v := range g.Tests {
					total++
					if v.JWE != nil && v.JWS == nil {
						encrypted++ // there are no encrypted tokens here
						continue
					}
					by, err := judge(g, v, name == "json_web_key_test.json")
					stages[by]++
					id := fmt.Sprintf("%s %d %s (%s): %s", name, v.ID, v.Comment, g.Comment, v.Result)
					want, listed := exceptions[v.ID]
					switch {
					case v.Result != "valid" && v.Result != "invalid":
						t.Errorf("%s: unknown result", id)
					case listed && (by != want.by || v.Result != want.result):
						t.Errorf("%s: listed as refused by %s, but: %s: %v", id, want.by, by, err)
					case listed:
						delete(exceptions, v.ID)
					case v.Result == "valid" && by != "":
						t.Errorf("%s: refused by %s: %v", id, by, err)
					case v.Result == "invalid" && by == "":
						t.Errorf("%s: accepted", id)
					case v.Result == "invalid" && (by == bySet || by == byJWK || by == byJWKSet):
						t.Errorf("%s: refused by %s, and not listed: %v", id, by, err)
					}
				}
			}
			for id := range exceptions {
				t.Errorf("%d is listed, and does not happen", id)
			}
			if total != f.NumberOfTests {
				t.Errorf("%d vectors, want %d", total, f.NumberOfTests)
			}
			t.Logf("%d vectors: %d accepted, %d encrypted and out of scope, refused: %v", total, stages[""], encrypted, stages)
		})
	}
}
