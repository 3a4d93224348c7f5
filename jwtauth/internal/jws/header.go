package jws

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
)

// Header is what a token says about itself: no more than a hint until it is
// verified with a key that the caller trusts for other reasons.
//
// Parse refuses a header that is not one JSON object with each name once, and one
//   - without alg, or with an alg that is not [Known] (RFC 8725, section 3.1);
//   - with crit: it lists extensions that must be understood, and none is here
//     (RFC 7515, section 4.1.11), nor is b64 (RFC 7797), refused without it too;
//   - with a typ other than JWT and at+jwt, as it was made for another purpose
//     (RFC 8725, section 3.11; RFC 9068, section 4);
//   - with a kid that is not a string, is longer than 1024 bytes, or contains
//     control characters: it ends up in logs;
//   - with a name that differs from one of these only in case.
//
// Keys in a header, jwk, jku, x5c and x5u, are ignored like everything unknown:
// whoever signs a token does not choose the key (RFC 8725, section 3.5).
type Header struct {
	Algorithm string // alg
	KeyID     string // kid, or ""
	Type      string // typ as it is written, or ""
}

// maxKeyID is the length of the longest kid.
const maxKeyID = 1 << 10

var (
	errAlg  = errors.New("jws: alg missing, unknown or not safe")
	errCrit = errors.New("jws: crit: extension is not supported")
	errB64  = errors.New("jws: b64 is not supported")
	errTyp  = errors.New("jws: typ is not a token's")
	errKid  = errors.New("jws: kid is not a string, is too long or has control characters")
)

// parseHeader reads the decoded header of the token.
func (t *Token) parseHeader(data []byte) error {
	w, err := walk(data)
	if err != nil {
		return err
	}
	mark, err := w.enter()
	if err != nil {
		return err
	}
	for w.more() {
		name, err := w.name()
		if err != nil {
			return err
		}
		switch string(name) {
		case "alg":
			err = t.parseAlg(&w)
		case "kid":
			err = t.parseKid(&w)
		case "typ":
			err = t.parseTyp(&w)
		case "crit":
			err = errCrit
		case "b64":
			err = errB64
		default:
			var folded [32]byte
			switch string(fold(folded[:0], name)) {
			case "ALG", "KID", "TYP", "CRIT", "B64":
				return errTwin
			}
			err = w.skip(nil)
		}
		if err != nil {
			return err
		}
	}
	if err := w.leave(mark); err != nil {
		return err
	}
	if t.alg == 0 {
		return errAlg
	}
	return nil
}

func (t *Token) parseAlg(w *walker) error {
	if w.peek() != '"' {
		return errAlg
	}
	text, err := w.text()
	if err != nil {
		return err
	}
	t.alg = algorithmOf(text)
	if t.alg == 0 {
		return errAlg
	}
	t.Header.Algorithm = names[t.alg]
	return nil
}

func (t *Token) parseKid(w *walker) error {
	if w.peek() != '"' {
		return errKid
	}
	text, err := w.text()
	if err != nil {
		return err
	}
	if len(text) > maxKeyID || bytes.ContainsFunc(text, unicode.IsControl) {
		return errKid
	}
	t.Header.KeyID = string(text)
	return nil
}

func (t *Token) parseTyp(w *walker) error {
	if w.peek() != '"' {
		return errTyp
	}
	text, err := w.text()
	if err != nil {
		return err
	}
	if string(text) == "JWT" { // without an allocation
		t.Header.Type = "JWT"
		return nil
	}
	// It is a media type, of which "application/" may be left out (RFC 7515, section
	// 4.1.9).
	typ := string(text)
	media := typ
	const prefix = "application/"
	if len(media) > len(prefix) && strings.EqualFold(media[:len(prefix)], prefix) {
		media = media[len(prefix):]
	}
	if !strings.EqualFold(media, "JWT") && !strings.EqualFold(media, "at+jwt") {
		return errTyp
	}
	t.Header.Type = typ
	return nil
}
