package panics_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/panics"
	"github.com/sioware/sioware/internal/siotest"
)

func culprit() { panic("oops") }

func TestError(t *testing.T) {
	t.Parallel()
	err := func() (err *panics.Error) {
		defer func() { err = panics.New(recover()) }()
		culprit()
		return nil
	}()
	if err.Error() != "panic: oops" || !strings.Contains(string(err.Stack()), "panics_test.culprit") {
		t.Errorf("%v\n%s", err, err.Stack())
	}
}

func TestAttr(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	func() {
		defer func() { slog.New(slog.NewTextHandler(&out, nil)).Error("m", panics.Attr(recover())) }()
		culprit()
	}()
	if s := out.String(); !strings.Contains(s, " panic=oops stack=") || !strings.Contains(s, "panics_test.culprit") {
		t.Error(s)
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("x"), fmt.Errorf("y: %w", io.EOF)} {
		if got := panics.Ask(err); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
	for name, err := range map[string]error{"nil pointer": siotest.NilError(), "wrapped": errors.Join(io.EOF, siotest.NilError())} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_ = panics.Ask(err)
		}()
	}
}
