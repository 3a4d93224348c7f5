package redact

import "strings"

// prose reports whether s[v:e] is a word of the text rather than the value of a secret.
// spaced says that it follows a colon and a space, and may start a sentence.
func (c *scanner) prose(v, e int, grade secrecy, spaced bool) bool {
	word := strings.TrimLeft(c.s[v:e], "([{")
	if len(word) > 24 {
		return false
	}
	switch strings.ToLower(word) {
	case "", "nil", "null", "none", "true", "false", "undefined", "empty", "a", "an", "the", "is", "was", "are",
		"has", "had", "of", "in", "to", "for", "from", "and", "or", "no", "yes", "not", "must", "should", "cannot", "too",
		"bad", "invalid", "missing", "expired", "malformed", "unknown", "unexpected", "unsupported", "unauthorized",
		"forbidden", "denied", "rejected", "refused", "revoked", "required", "mismatch", "failed", "failure",
		"wrong", "closed", "timeout", "eof", "error", "internal", "canceled", "ok", "valid", "unavailable",
		"dial", "read", "write", "lookup", "context", "connection", "i/o", "redis", "http", "json", "strconv",
		"token", "tokens", "auth", "authentication", "authorization", "scheme", "prefix", "header", "credentials",
		"key", "signature", "session", "cookie", "password", "***", "redacted", "string", "int", "[]byte":
		return true
	}
	if grade == secret {
		return false
	}
	if len(word) <= 5 && strings.Trim(word, "0123456789") == "" {
		return true
	}
	const letters = "abcdefghijklmnopqrstuvwxyz"
	if !spaced || strings.Trim(word[1:], letters+"_") != "" || !isRun(word[0]) || '0' <= word[0] && word[0] <= '9' {
		return false
	}
	if strings.Contains(word, "_") || strings.HasPrefix(c.s[e:], ":") {
		return true // a code, or another error
	}
	after, found := strings.CutPrefix(c.s[e:], " ")
	after, _, _ = strings.Cut(after[:min(len(after), 24)], " ")
	after = strings.TrimRight(after, ".,;")
	return found && after != "" && strings.Trim(after, letters) == ""
}
