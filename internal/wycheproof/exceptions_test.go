package wycheproof_test

// exception is a vector that cannot be judged by its result alone: a valid one that is
// refused on purpose, an invalid one that package jws never sees because whatever makes
// keys for it must refuse it first, or one in which nothing is wrong.
type exception struct {
	result string
	by     stage
	reason string
}

const (
	emptyPayload = "an empty payload has no claims"
	noDefect     = "what is printed is canonical and signed with the key, whatever it was to be; its payload, Test, has no claims"
	strayByte    = "a question mark is no base64url (RFC 7515, section 2); the signature is that of the token without it"
	wrongAlg     = "alg of the JWK is not that of the token, which RFC 7520 does not have so (RFC 7517, section 4.4)"
	noAlg        = "ES521, the alg of the JWK, does not exist; RFC 7520 has none there"
	otherUse     = "the JWK is for encryption (RFC 7517, sections 4.2 and 4.3)"
	mixed        = "whoever has a public key of the set could take it for a secret of it"
	twoKeys      = "which of two keys with one kid is meant cannot be told (RFC 7517, section 4.5)"
	noKey        = "jwkset makes no key of it; NewKey would refuse it, too, if it is one"
)

// exceptions are keyed by file and tcId.
var exceptions = map[string]map[int]exception{
	"json_web_signature_test.json": {
		259: {"valid", byParse, emptyPayload},
		264: {"valid", byParse, emptyPayload},
		268: {"valid", byParse, emptyPayload},
		272: {"valid", byParse, emptyPayload},
		320: {"valid", byParse, emptyPayload},
		325: {"valid", byParse, emptyPayload},
		346: {"valid", byVerify, wrongAlg},
		347: {"valid", byNewKey, noAlg},
		350: {"valid", byVerify, wrongAlg},
		351: {"valid", byNewKey, noAlg},
		353: {"invalid", byJWK, otherUse},
		354: {"invalid", byJWK, otherUse},
		355: {"invalid", byJWK, otherUse},
		356: {"invalid", byJWK, otherUse},
		367: {"invalid", "", noDefect},
		370: {"invalid", "", noDefect},
		372: {"valid", byParse, strayByte},
		373: {"valid", byParse, strayByte},
	},
	"json_web_key_test.json": {
		1:  {"invalid", bySet, mixed},
		4:  {"invalid", bySet, twoKeys},
		6:  {"invalid", byJWK, otherUse},
		9:  {"invalid", byJWKSet, noKey}, // exponent 1
		16: {"invalid", byJWKSet, noKey}, // empty secrets
		17: {"invalid", byJWKSet, noKey},
		18: {"invalid", byJWKSet, noKey},
		21: {"invalid", byJWK, otherUse},
		22: {"invalid", byJWKSet, noKey}, // a point that is not on the curve
		23: {"invalid", byJWKSet, noKey}, // a point of another curve
		24: {"invalid", byJWKSet, noKey}, // an EC key that says it is RSA
	},
	"json_web_crypto_test.json": {
		47: {"invalid", bySet, mixed},
	},
}
