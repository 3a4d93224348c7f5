package session

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/sessions"
)

// TestOutageTimes: there is a record in ten seconds at most, and each says how many looks
// have failed since the one before.
func TestOutageTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		leave := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "times" || a.Key == slog.LevelKey {
				return a
			}
			return slog.Attr{}
		}
		m, err := New(sessions.NewCookieStore([]byte("secret")), "sid", &Options{
			Logger: slog.New(slog.NewTextHandler(io.Writer(&log), &slog.HandlerOptions{ReplaceAttr: leave})),
		})
		if err != nil {
			t.Fatal(err)
		}
		const number = 50
		for range 25 { // one look at each of 50 sessions a second
			for range number {
				m.outage(t.Context(), errors.New("down"))
			}
			<-time.After(time.Second)
		}
		want := "level=WARN times=1\nlevel=WARN times=500\nlevel=WARN times=500\n"
		if got := log.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}
