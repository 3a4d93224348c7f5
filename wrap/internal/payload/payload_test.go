package payload_test

import (
	"testing"

	"github.com/sioware/sioware/wrap/internal/payload"
)

// A length one larger than what is left is an error, not a panic.
func TestBinaryOneShort(t *testing.T) {
	t.Parallel()
	for body, ok := range map[string]bool{
		"\x00\x02\xff4x":             true,
		"\x00\x02\xff4":              false,
		"\x01\x03\xff\x04x":          false,
		"\x00\x01\xff6\x00\x01\xff":  false,
		"\x00\x01\xff6\x00\x01\xff6": true,
	} {
		b := []byte(body)
		if _, err := payload.Binary(b[:len(b):len(b)]); (err == nil) != ok {
			t.Errorf("%q: %v", body, err)
		}
	}
}
