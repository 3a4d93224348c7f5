package mark_test

import (
	"context"
	"testing"

	"github.com/sioware/sioware/internal/mark"
)

type run bool

func (r run) Connecting() bool { return bool(r) }
func (r run) Passed() bool     { return !bool(r) }

func TestConnecting(t *testing.T) {
	t.Parallel()
	bare := context.Background()
	for name, tt := range map[string]struct {
		ctx  context.Context
		want bool
	}{
		"none":    {bare, false},
		"running": {context.WithValue(bare, mark.Key{}, run(true)), true},
		"over":    {context.WithValue(bare, mark.Key{}, run(false)), false},
		"other":   {context.WithValue(bare, mark.Key{}, true), false},
		"hidden":  {context.WithValue(context.WithValue(bare, mark.Key{}, run(true)), mark.Key{}, nil), false},
	} {
		if got := mark.Connecting(tt.ctx); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
		if got := mark.Passed(tt.ctx); got == tt.want { // true if that is not known
			t.Errorf("%s: passed %t", name, got)
		}
	}
}
