package logging

import (
	"log/slog"

	"github.com/sioware/sioware/logging/internal/redact"
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
func Redact(h slog.Handler, keys ...string) slog.Handler { return redactor(h, keys) }

func redactor(h slog.Handler, keys []string) *redact.Handler {
	if d, ok := h.(*deferred); ok {
		h = d.handler()
	}
	return redact.New(h, keys...)
}
