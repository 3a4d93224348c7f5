//go:build linux

package soak

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

var (
	flagSoak = flag.Duration("soak", 0, "how long the clients come and go; 0 is 20s, 2m if CI=true, 6s with -short")
	flagSeed = flag.Uint64("soak.seed", 0, "what the clients do is drawn from this; 0 is another one each time")
)

func TestMain(m *testing.M) {
	siotest.Main(m, map[string]func(func(string)){"server": serve})
}

// duration is how long clients come and go.
func duration() time.Duration {
	switch {
	case *flagSoak > 0:
		return *flagSoak
	case testing.Short():
		return 6 * time.Second
	case os.Getenv("CI") == "true":
		return 2 * time.Minute
	}
	return 20 * time.Second
}
