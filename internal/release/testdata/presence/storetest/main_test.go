package main

import (
	"testing"

	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) presence.Store { return presence.NewMemoryStore() })
}
