package main

import (
	"testing"

	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) ratelimit.Store { return ratelimit.NewMemoryStore(1000) })
}
