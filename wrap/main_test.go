package wrap_test

import (
	"log/slog"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
)

// children are the servers that tests run in a process of their own, by name.
var children = map[string]func(report func(url string)){}

func TestMain(m *testing.M) { siotest.Main(m, children, siotest.IgnoreHostTimers()...) }

func init() { slog.SetDefault(slog.New(slog.DiscardHandler)) } // panics on purpose
