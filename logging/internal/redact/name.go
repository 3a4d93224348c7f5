package redact

import (
	"unicode"
	"unicode/utf8"
)

// secrecy says how secret a name is.
type secrecy uint8

const (
	public secrecy = iota // not at all
	soft                  // numbers and the like may be shown
	secret                // nothing may be shown
)

// Names are keys of the application, normalized, in addition to the known ones. Nil is
// the empty set.
type Names map[string]struct{}

// IsName reports whether key can be a name: whether it has a letter or a digit.
func IsName(key string) bool {
	text, _, _ := normalize(nil, key)
	return len(text) > 0
}

// maxNameRead limits how much of a name is read. Longer ones are not names.
const maxNameRead = 1024

func (n Names) grade(name string) secrecy {
	if len(name) > maxNameRead {
		return secret
	}
	var buf [64]byte
	text, first, last := normalize(buf[:0], name)
	if _, ok := n[string(text)]; ok {
		return secret
	}
	for len(text) > last+1 && text[len(text)-1]-'0' <= 9 {
		text = text[:len(text)-1]
	}
	grade := contained(text)
	end := text[min(last, len(text)):]
	switch {
	case grade == secret || has(text, "pwd", true):
		return secret
	case string(text[:min(first, len(text))]) == "otp":
		return secret
	case has(text, "session", true), has(text, "sessions", true),
		has(text, "sid", true), has(text, "sids", true), string(text) == "auth":
		return soft
	}
	switch string(end) {
	case "otp", "totp", "pin":
		return secret
	case "sig", "pass":
		return soft
	case "age", "alg", "at", "count", "err", "error", "expired", "expires", "expiry", "invalid",
		"kind", "left", "len", "length", "limit", "missing", "mode", "name", "path", "required",
		"size", "status", "ttl", "type", "valid":
		return public // it is about the secret, not the secret itself
	}
	return grade
}

// contained grades by the words that are secret wherever they occur.
func contained(text []byte) secrecy {
	grade := public
	for i, c := range text {
		rest := text[i:]
		switch c {
		case 'a':
			if has(rest, "authorization", false) || has(rest, "apikey", false) ||
				has(rest, "accesskey", false) || has(rest, "authkey", false) {
				grade = soft
			}
		case 'b':
			if has(rest, "bearer", false) {
				grade = soft
			}
		case 'c':
			if has(rest, "cookie", false) || has(rest, "credential", false) || has(rest, "csrf", false) {
				grade = soft
			}
		case 'j':
			if has(rest, "jwt", false) {
				grade = soft
			}
		case 'p':
			if has(rest, "password", false) || has(rest, "passwd", false) ||
				has(rest, "passphrase", false) || has(rest, "passcode", false) ||
				has(rest, "privatekey", false) || has(rest, "pincode", false) {
				return secret
			}
		case 's':
			if has(rest, "secret", false) {
				return secret
			}
			if has(rest, "sessionid", false) || has(rest, "sessid", false) ||
				has(rest, "sessionkey", false) || has(rest, "signature", false) {
				grade = soft
			}
		case 't':
			if has(rest, "token", false) {
				grade = soft
			}
		case 'x':
			if has(rest, "xsrf", false) {
				grade = soft
			}
		}
	}
	return grade
}

// has reports whether text begins with word or, if end is set, ends with it.
func has(text []byte, word string, end bool) bool {
	if len(text) < len(word) {
		return false
	}
	if end {
		return string(text[len(text)-len(word):]) == word
	}
	return string(text[:len(word)]) == word
}

// normalize appends name to buf in lower case, without anything but letters and digits,
// and returns where its first word ends and its last word starts.
func normalize(buf []byte, name string) (text []byte, first, last int) {
	const lower, upper = 1, 2
	before, apart := 0, false
	for i := 0; i < len(name); {
		c, size := rune(name[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(name[i:])
			switch c { // encoding/json treats both like their ASCII letters
			case '\u017f':
				c = 's'
			case '\u212a':
				c = 'k'
			}
		}
		i += size
		kind := 0
		switch {
		case 'A' <= c && c <= 'Z':
			kind, c = upper, c+'a'-'A'
			apart = apart || before == lower ||
				before == upper && i < len(name) && 'a' <= name[i] && name[i] <= 'z'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			kind = lower
		case c >= utf8.RuneSelf && c != utf8.RuneError && unicode.IsLetter(c):
			kind, c = lower, unicode.ToLower(c)
		default:
			apart, before = true, 0
			continue
		}
		if apart && len(buf) > 0 {
			last = len(buf)
			if first == 0 {
				first = last
			}
		}
		apart, before = false, kind
		if c < utf8.RuneSelf {
			buf = append(buf, byte(c))
		} else {
			buf = utf8.AppendRune(buf, c)
		}
	}
	if first == 0 {
		first = len(buf)
	}
	return buf, first, last
}
