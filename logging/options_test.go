package logging_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sioware/sioware/logging"
)

// TestNewFaults: all faults come back together.
func TestNewFaults(t *testing.T) {
	t.Parallel()
	var level *slog.LevelVar
	var o *observer
	_, err := logging.New(nil, &logging.Options{
		Level: level, Observer: o, Recorder: 1025, Secrets: []string{"a", "", "*"}, ProxyHeader: "X-Real-IP",
		Events: &logging.Sample{Level: level, First: -1},
	})
	want := []string{
		"logging: no logger", "logging: Level: a nil *slog.LevelVar", "logging: Observer: a nil *logging_test.observer",
		"logging: Events: Level: a nil *slog.LevelVar", "logging: Events: First -1 or Every 0 is negative",
		"logging: Recorder: 1025 is more than 1024", "logging: Secrets: an empty name",
		`logging: Secrets: "*" has neither letters nor digits`,
		`logging: ProxyHeader: "X-Real-IP" is never read without TrustedProxies`,
	}
	if got := fmt.Sprint(err); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if _, err := logging.New(new(slog.Logger), nil); err == nil {
		t.Error("a logger without a handler is taken")
	}
	if _, err := logging.New(slog.New(slog.DiscardHandler), nil); err != nil {
		t.Error(err)
	}
}
