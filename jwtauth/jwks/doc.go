// Package jwks verifies tokens with the keys of a server: the JSON Web Key Set
// (RFC 7517) that an identity provider publishes.
//
//	keys, err := jwks.New("https://id.example.com/.well-known/jwks.json", nil)
//	if err != nil {
//		return err
//	}
//	defer keys.Close(ctx)
//	auth, err := jwtauth.New(keys, &jwtauth.Options[Claims]{Issuers: ..., Audiences: ...})
//
// # What it does
//
// A [Set] is a [github.com/sioware/sioware/jwtauth.Keys]. It fetches the key set
// when the first token comes, fetches it again every hour and when a token names a
// key that it does not know, and keeps it while the server is down. Keys that are
// not for verifying signatures, and those that are too weak or malformed, are left
// out. HMAC keys never come from a set: whoever can read it could sign.
//
// # Where in the chain
//
// A Set is the first argument of jwtauth.New, or a value of jwtauth.Issuers: one
// Set per issuer, so that a key of one never verifies a token of another,
// whatever the key is called. Set Issuers and Audiences in jwtauth.Options too:
// most providers sign tokens for many applications with one key.
//
// # What clients see
//
// A token whose key is not in the set has code token_invalid. While there is no key
// set, or a key is not known and the server cannot be asked, the code is unavailable:
// the client may try again. Tokens that come before the first key set wait for one
// shared fetch, for 10 seconds at most. After a failed fetch the next one begins 5
// seconds later, then 10, 20, 40 and 60, less up to a tenth, and never later than
// [Options].RefreshEvery; tokens that come in between are answered at once.
//
// # Limits
//
// Only the URL that [New] got is fetched: neither the header nor the claims of a
// token (jku, x5u, iss) lead anywhere, and there is no discovery. Certificates
// (x5c) are ignored. Nothing that the server says about caching is honored, so that
// it cannot make a withdrawn key stay. A withdrawn key verifies until the next
// fetch, an hour by default; until then a new key with the kid of an old one is not
// known. A token without kid is tried with the first 4 keys that suit its
// algorithm, and does not cause a fetch if there are any.
package jwks
