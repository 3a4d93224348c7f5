package logging

import (
	"context"
	"log/slog"
	"maps"
	"unicode"
	"unicode/utf8"
)

// Redact returns a handler that hands records on to h without the secrets in them
// and without characters that forge lines. It works on the message, the attributes,
// and all that is in them: groups, errors, maps, slices and structs. Where Redact is
// used twice, one handler does the work of both. It is safe for concurrent use if h is.
//
// Give it a handler like slog.NewTextHandler before slog.SetDefault. One around the handler
// that slog.Default has at first must not become the default: package log then writes to
// slog what slog writes to package log, and the first record hangs for ever.
//
// By name: what is called password, passwd, passphrase, passcode, secret or private
// key, or ends in pwd, or has the word otp or pin, becomes "[redacted]". So does
// what is called token, authorization, cookie, API, access or auth key, credential,
// session ID, JWT, bearer, signature, CSRF or XSRF, ends in session or sid, has the
// last word sig or pass, or is auth as a whole; but there numbers, booleans, times
// and durations stay, as does all that has a last word which makes it something
// else, like token_type, cookie_name or session_count. Case, and what separates
// words, do not matter: X-API-Key is apiKey. The keys are further names, as a whole.
//
// By shape, anywhere in a text: JSON Web Tokens, what follows Bearer, Basic and Digest,
// the user of a URL and of a data source name like user:password@tcp(host)/name, pairs
// like token=... and "token":"..." whose name is one of the above (maps, lists and
// structs too, as JSON and fmt write them), private keys in PEM, 32 hex digits and more
// (a trace ID under its own name stays), 40 characters and more of what looks like
// random base64, 50 of what looks like random base32 in capitals, and keys of
// well-known services. A secret that looks like a word and has no name beside it stays:
// do not log it.
//
// Control characters, bidirectional overrides and invalid UTF-8 are written as Go
// writes them, like \n. Texts are cut to 2,048 bytes and names to 128; an attribute
// "stack" has 16 KiB and its own lines. Of a group, map or slice 64 entries are kept,
// of an attribute 8 levels, 1,024 values and 16 KiB. Errors, LogValuers, Stringers
// and marshalers are what they say, and a panic in them is text. Of an *http.Request
// the method, path and address are kept. All values arrive at h as plain ones: it
// does not see an error, but its text.
func Redact(h slog.Handler, keys ...string) slog.Handler { return newRedactor(h, keys) }

func newRedactor(h slog.Handler, keys []string) *redactor {
	if d, ok := h.(*deferred); ok {
		h = d.handler()
	}
	r := &redactor{next: h, known: new(redactKnown)}
	if inner, ok := h.(*redactor); ok {
		*r = *inner
	}
	if len(keys) > 0 {
		r.known = new(redactKnown)
		r.names = maps.Clone(r.names)
		if r.names == nil {
			r.names = redactNames{}
		}
		for _, key := range keys {
			if text, _, _ := redactNormalize(nil, key); len(text) > 0 { // all that has no name would be one
				r.names[string(text)] = struct{}{}
			}
		}
	}
	return r
}

// redactor is the handler of [Redact]. It does not change.
type redactor struct {
	next  slog.Handler
	names redactNames
	known *redactKnown // of names
	group redactGrade  // of the open groups
}

func (h *redactor) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *redactor) Handle(ctx context.Context, r slog.Record) error {
	quiet := h.names.quiet(r.Message, redactTextMax, false)
	if quiet {
		r.Attrs(func(a slog.Attr) bool {
			w := h.walk()
			quiet = w.quiet(a, 0, h.group)
			return quiet
		})
	}
	if quiet {
		return h.next.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, h.names.text(r.Message, redactTextMax, false), r.PC)
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.attr(a))
		return true
	})
	out.AddAttrs(attrs...)
	return h.next.Handle(ctx, out)
}

func (h *redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	r := *h
	r.next = h.next.WithAttrs(clean)
	return &r
}

func (h *redactor) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	r := *h
	r.group = max(h.group, h.names.grade(name))
	r.next = h.next.WithGroup(h.names.text(name, redactNameMax, false))
	return &r
}

func (h *redactor) attr(a slog.Attr) slog.Attr {
	w := h.walk()
	return w.attr(a, 0, h.group)
}

// redactGrade says how secret a name is.
type redactGrade uint8

const (
	redactOpen   redactGrade = iota // not at all
	redactSoft                      // numbers and the like may be seen
	redactSecret                    // nothing may be seen
)

// secretKey reports whether name is that of a secret.
func secretKey(name string) bool {
	return redactNames(nil).grade(name) != redactOpen
}

// redactNames are the names of the application, normalized.
type redactNames map[string]struct{}

// redactNameScan bounds what is read of a name. Longer ones are not names.
const redactNameScan = 1024

func (n redactNames) grade(name string) redactGrade {
	if len(name) > redactNameScan {
		return redactSecret
	}
	var buf [64]byte
	text, first, last := redactNormalize(buf[:0], name)
	if _, ok := n[string(text)]; ok {
		return redactSecret
	}
	for len(text) > last+1 && text[len(text)-1]-'0' <= 9 {
		text = text[:len(text)-1]
	}
	grade := redactContained(text)
	end := text[min(last, len(text)):]
	switch {
	case grade == redactSecret || redactHas(text, "pwd", true):
		return redactSecret
	case string(text[:min(first, len(text))]) == "otp":
		return redactSecret
	case redactHas(text, "session", true), redactHas(text, "sessions", true),
		redactHas(text, "sid", true), redactHas(text, "sids", true), string(text) == "auth":
		return redactSoft
	}
	switch string(end) {
	case "otp", "totp", "pin":
		return redactSecret
	case "sig", "pass":
		return redactSoft
	case "age", "alg", "at", "count", "err", "error", "expired", "expires", "expiry", "invalid",
		"kind", "left", "len", "length", "limit", "missing", "mode", "name", "path", "required",
		"size", "status", "ttl", "type", "valid":
		return redactOpen // it is about the secret, and not it
	}
	return grade
}

// redactContained grades by the words that say it wherever they stand.
func redactContained(text []byte) redactGrade {
	grade := redactOpen
	for i, c := range text {
		rest := text[i:]
		switch c {
		case 'a':
			if redactHas(rest, "authorization", false) || redactHas(rest, "apikey", false) ||
				redactHas(rest, "accesskey", false) || redactHas(rest, "authkey", false) {
				grade = redactSoft
			}
		case 'b':
			if redactHas(rest, "bearer", false) {
				grade = redactSoft
			}
		case 'c':
			if redactHas(rest, "cookie", false) || redactHas(rest, "credential", false) || redactHas(rest, "csrf", false) {
				grade = redactSoft
			}
		case 'j':
			if redactHas(rest, "jwt", false) {
				grade = redactSoft
			}
		case 'p':
			if redactHas(rest, "password", false) || redactHas(rest, "passwd", false) ||
				redactHas(rest, "passphrase", false) || redactHas(rest, "passcode", false) ||
				redactHas(rest, "privatekey", false) || redactHas(rest, "pincode", false) {
				return redactSecret
			}
		case 's':
			if redactHas(rest, "secret", false) {
				return redactSecret
			}
			if redactHas(rest, "sessionid", false) || redactHas(rest, "sessid", false) ||
				redactHas(rest, "sessionkey", false) || redactHas(rest, "signature", false) {
				grade = redactSoft
			}
		case 't':
			if redactHas(rest, "token", false) {
				grade = redactSoft
			}
		case 'x':
			if redactHas(rest, "xsrf", false) {
				grade = redactSoft
			}
		}
	}
	return grade
}

// redactHas reports whether text begins with word, or ends with it.
func redactHas(text []byte, word string, end bool) bool {
	if len(text) < len(word) {
		return false
	}
	if end {
		return string(text[len(text)-len(word):]) == word
	}
	return string(text[:len(word)]) == word
}

// redactNormalize appends name to buf in lower case, without what is neither letter
// nor digit, and says where its first word ends and its last word starts.
func redactNormalize(buf []byte, name string) (text []byte, first, last int) {
	const lower, upper = 1, 2
	before, apart := 0, false
	for i := 0; i < len(name); {
		c, size := rune(name[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(name[i:])
			switch c { // encoding/json takes both for their ASCII letters
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
