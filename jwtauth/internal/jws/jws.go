// Package jws parses and verifies JSON Web Tokens that are JSON Web Signatures in
// compact form (RFC 7519, RFC 7515), and reads their claims.
//
// It accepts no more than the RFCs ask for, with the advice of RFC 8725: one
// spelling of each token, one meaning of each member name, and algorithms that are
// bound to keys. The order is [Parse], [Token.Verify], [ParseClaims]; anything
// obtained before Verify is the word of whoever sent the token. Time is left to the
// caller, who compares exp, nbf and iat with a clock.
//
// No error contains any part of a token.
package jws

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// MaxToken is the length of the longest token in bytes. Servers accept headers
// of no more than that, and the work on a token is linear in its size.
const MaxToken = 8 << 10

var (
	errSize   = errors.New("jws: token too long")
	errParts  = errors.New("jws: token does not have three non-empty parts")
	errBase64 = errors.New("jws: token is not canonical base64url")
)

// base64url refuses padding and, being strict, trailing bits that are not zero: RFC 4648,
// section 3.5, leaves that open, and then a signature would have up to 16 spellings.
var base64url = base64.RawURLEncoding.Strict()

// Token is a token whose syntax is right. Nothing in it can be trusted until
// Verify has returned nil. It is not for concurrent use.
type Token struct {
	Header Header

	alg                algorithm
	signed             []byte // header and payload as they were sent
	payload, signature []byte
}

// Parse returns the parts of a token. It refuses all ways to write one other than
// that of RFC 7515, section 7.1, any header that [Header] does not allow, and
// anything longer than [MaxToken]. The payload may be anything.
func Parse(token string) (*Token, error) {
	if len(token) > MaxToken {
		return nil, errSize
	}
	first := strings.IndexByte(token, '.')
	second := first + 1 + strings.IndexByte(token[first+1:], '.')
	if first < 1 || second <= first+1 || second == len(token)-1 ||
		strings.IndexByte(token[second+1:], '.') >= 0 {
		return nil, errParts
	}
	// The decoder skips these two: a signature with a line feed in it would be
	// another spelling of the token, and would write lines into a log.
	if strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0 {
		return nil, errBase64
	}

	// All bytes in one piece of memory: the token, then its decoded parts.
	space := make([]byte, len(token)+base64url.DecodedLen(len(token)))
	n := copy(space, token)
	rest := space[n:]
	var parts [3][]byte
	for i, part := range [3][]byte{space[:first], space[first+1 : second], space[second+1 : n]} {
		size := base64url.DecodedLen(len(part))
		if _, err := base64url.Decode(rest[:size:size], part); err != nil {
			return nil, errBase64
		}
		parts[i], rest = rest[:size:size], rest[size:]
	}
	t := &Token{signed: space[:second:second], payload: parts[1], signature: parts[2]}
	if err := t.parseHeader(parts[0]); err != nil {
		return nil, err
	}
	return t, nil
}

// Verify returns nil if the token has a valid signature of k, by an algorithm that k is for.
func (t *Token) Verify(k Key) error {
	if k.k == nil {
		return errZeroKey
	}
	if !k.k.allows.has(t.alg) {
		return errAlgorithm
	}
	return k.k.verify(t.alg, t.signed, t.signature)
}

// Payload returns the decoded payload: untrusted until Verify has returned nil.
// It must not be changed.
func (t *Token) Payload() []byte { return t.payload }

// Hash returns the SHA-256 of what is signed, to identify the token. The
// signature is not included: one token can have many that verify, and for ECDSA
// anybody can make a second one from the first.
func (t *Token) Hash() [32]byte { return sha256.Sum256(t.signed) }

// Issuer returns the claim iss, to choose keys by before Verify: "" if the payload
// is not one JSON object with one such claim, a string. It never differs from what
// [ParseClaims] finds, if that accepts the payload.
func (t *Token) Issuer() string {
	w, err := walk(t.payload)
	if err != nil {
		return ""
	}
	if _, err := w.enter(); err != nil {
		return ""
	}
	issuer, seen := "", false
	for w.more() {
		name, err := w.name()
		if err != nil {
			return ""
		}
		if string(name) != "iss" {
			if w.skip(nil) != nil {
				return ""
			}
			continue
		}
		text, err := w.optional()
		if err != nil || seen {
			return ""
		}
		issuer, seen = text, true
	}
	return issuer
}
