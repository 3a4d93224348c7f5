package nilptr_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/sioware/sioware/internal/nilptr"
)

func TestIs(t *testing.T) {
	t.Parallel()
	var none *bytes.Buffer
	for _, c := range []struct {
		v    any
		want bool
	}{{none, true}, {io.Reader(none), true}, {new(bytes.Buffer), false}, {nil, false}, {"", false}, {map[string]int(nil), false}} {
		if got := nilptr.Is(c.v); got != c.want {
			t.Errorf("%T: %t", c.v, got)
		}
	}
}
