package panics_test

import (
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/panics"
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
