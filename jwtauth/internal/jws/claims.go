package jws

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Claims are the registered claims of RFC 7519, section 4.1, and sid of OpenID
// Connect Front-Channel Logout 1.0, section 3. A claim that is null is absent.
type Claims struct {
	Issuer   string   // iss
	Subject  string   // sub
	ID       string   // jti
	Session  string   // sid
	Audience []string // aud, one string or several

	// In seconds since 1970. Fractions count against the token: exp and iat are
	// rounded down, nbf up. An exp before 1970 counts as expired.
	ExpiresAt, NotBefore, IssuedAt          int64 // exp, nbf, iat
	HasExpiresAt, HasNotBefore, HasIssuedAt bool
}

// registered are the names that a claim must not have in another case.
var registered = [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid"}

// maxDate is the end of the year 9999, the last year that time.Time can write as JSON.
const maxDate = 253402300799

var (
	errText     = errors.New("jws: registered claim is not a string")
	errAudience = errors.New("jws: aud is neither a string nor an array of strings")
	errDate     = errors.New("jws: date is not a number of seconds from 1970 to 9999")
	errRequired = errors.New("jws: required claim missing")
)

// ParseClaims returns the registered claims in payload, which must be that of a token
// whose signature was verified. It refuses what encoding/json could read differently
// into the type of the given shape, or what others could: two members with one name
// at any level (RFC 7519, section 4), names that differ from known ones only in case,
// and bytes and escapes that are not text. It also refuses registered claims of a
// wrong type, and claims that lack a required one, or have null for it.
func ParseClaims(payload []byte, shape *Shape, required []string) (Claims, error) {
	var c Claims
	w, err := walk(payload)
	if err != nil {
		return Claims{}, err
	}
	missing := len(required)
	mark, err := w.enter()
	if err != nil {
		return Claims{}, err
	}
	for w.more() {
		name, err := w.name()
		if err != nil {
			return Claims{}, err
		}
		if w.peek() != 'n' {
			// Each name occurs once, or leave refuses the claims.
			for _, r := range required {
				if r == string(name) {
					missing--
				}
			}
		}
		value, err := shape.member(name)
		if err != nil {
			return Claims{}, err
		}
		if err := c.parse(&w, name, value); err != nil {
			return Claims{}, err
		}
	}
	if err := w.leave(mark); err != nil {
		return Claims{}, err
	}
	if missing > 0 {
		return Claims{}, errRequired
	}
	return c, nil
}

// parse reads the next claim. One that is not registered has the given shape.
func (c *Claims) parse(w *walker, name []byte, shape *Shape) (err error) {
	switch string(name) {
	case "iss":
		c.Issuer, err = w.optional()
	case "sub":
		c.Subject, err = w.optional()
	case "jti":
		c.ID, err = w.optional()
	case "sid":
		c.Session, err = w.optional()
	case "aud":
		c.Audience, err = w.audience()
	case "exp":
		c.ExpiresAt, c.HasExpiresAt, err = w.date(math.MinInt64, false)
	case "nbf":
		c.NotBefore, c.HasNotBefore, err = w.date(0, true)
	case "iat":
		c.IssuedAt, c.HasIssuedAt, err = w.date(0, false)
	default:
		for _, claim := range registered {
			// No rune that folds to an ASCII letter has more than three bytes.
			if len(name) <= 3*len(claim) && strings.EqualFold(string(name), claim) {
				return fmt.Errorf("%w: %q", errTwin, claim) // the name of ours, not the token's
			}
		}
		return w.skip(shape)
	}
	return err
}

// optional returns the next value, a string, or "" for null.
func (w *walker) optional() (string, error) {
	if w.null() {
		return "", nil
	}
	if w.peek() != '"' {
		return "", errText
	}
	text, err := w.text()
	return string(text), err
}

// audience returns the strings in the next value, or nil for null.
func (w *walker) audience() ([]string, error) {
	switch w.peek() {
	case 'n':
		w.literal()
		return nil, nil
	case '"':
		text, err := w.text()
		return []string{string(text)}, err
	case '[':
		if _, err := w.enter(); err != nil {
			return nil, err
		}
		all := []string{}
		for w.more() {
			if w.peek() != '"' {
				return nil, errAudience
			}
			text, err := w.text()
			if err != nil {
				return nil, err
			}
			all = append(all, string(text))
		}
		return all, nil
	}
	return nil, errAudience
}

// date returns the next value, a NumericDate, as whole seconds between least
// and maxDate, and whether it is not null.
func (w *walker) date(least int64, up bool) (int64, bool, error) {
	if w.null() {
		return 0, false, nil
	}
	if c := w.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, false, errDate
	}
	n, ok := seconds(w.literal(), up)
	if !ok || n < least || n > maxDate {
		return 0, false, errDate
	}
	return n, true, nil
}
