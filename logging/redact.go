package logging

import (
	"log/slog"

	"github.com/sioware/sioware/logging/internal/redact"
)

// Redact returns a handler that passes records on to h without the secrets in them and
// without characters that forge lines. It works on the message, the attributes, and
// everything in them: groups, errors, maps, slices and structs. If Redact is applied
// twice, one handler does the work of both. It is safe for concurrent use if h is.
//
// Pass it a handler like slog.NewTextHandler before calling slog.SetDefault. A Redact
// around slog.Default's initial handler must not become the default: package log then
// writes to slog what slog writes to package log, and the first record hangs for ever.
//
// By name: an attribute called password, passwd, passphrase, passcode, secret or private
// key, or that ends in pwd, or has the word otp or pin, becomes "[redacted]". So does one
// called token, authorization, cookie, API, access or auth key, credential, session ID,
// JWT, bearer, signature, CSRF or XSRF, that ends in session or sid, has the last word
// sig or pass, or is auth as a whole. Under these names, however, numbers, booleans, times
// and durations are kept, and so is everything whose last word makes it something else,
// like token_type, cookie_name or session_count. Case and word separators do not matter:
// X-API-Key is apiKey. The keys are further names, matched as a whole.
//
// By shape, anywhere in a text: JSON Web Tokens, what follows Bearer, Basic and Digest,
// the user of a URL and of a data source name like user:password@tcp(host)/name, pairs
// like token=... and "token":"..." whose name is one of the above (including maps, lists
// and structs, as JSON and fmt write them), private keys in PEM, 32 or more hex digits (a
// trace ID under its own name is kept), 40 or more characters that look like random
// base64, 50 that look like random base32 in capitals, and keys of well-known services. A
// secret that looks like a word and has no name beside it is kept: do not log it.
//
// Control characters, bidirectional overrides and invalid UTF-8 are escaped as in Go,
// like \n. Texts are cut to 2,048 bytes and names to 128; an attribute "stack" may have
// 16 KiB and keeps its lines. Of a group, map or slice 64 entries are kept, of an
// attribute 8 levels, 1,024 values and 16 KiB. Errors, LogValuers, Stringers and
// marshalers are replaced by what they return, and a panic in them by its text. Of an
// *http.Request the method, path and address are kept. All values reach h as plain ones:
// it does not see an error, only its text.
func Redact(h slog.Handler, keys ...string) slog.Handler { return redactor(h, keys) }

func redactor(h slog.Handler, keys []string) *redact.Handler {
	if d, ok := h.(*deferred); ok {
		h = d.handler()
	}
	return redact.New(h, keys...)
}
