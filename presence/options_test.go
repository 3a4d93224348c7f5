package presence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/presence"
)

// TestNewFaults: all faults come back together.
func TestNewFaults(t *testing.T) {
	t.Parallel()
	_, err := presence.New(nil, &presence.Options{
		Grace: time.Hour + 1, MaxDevices: -1, Policy: 2, MaxUser: -1, MaxMeta: -1, MaxRooms: -1, MaxClients: -1, Timeout: -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"New", "Grace", "MaxDevices", "Policy", "MaxUser", "MaxMeta", "MaxRooms", "MaxClients", "Timeout"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	if _, err := presence.New(nil, nil); err == nil {
		t.Error("no function, and no error")
	}
	if _, err := presence.New(query, &presence.Options{Policy: -1}); err == nil {
		t.Error("an unknown policy, and no error")
	}
	if _, err := presence.New(query, &presence.Options{Grace: 15, Timeout: 5}); err == nil ||
		!strings.Contains(err.Error(), "Grace: 15ns is less") || !strings.Contains(err.Error(), "Timeout: 5ns is less") {
		t.Errorf("durations without a unit: %v", err)
	}
	var unset *presence.MemoryStore // a variable that was not set is not a store
	if _, err := presence.New(query, &presence.Options{Store: unset}); err == nil || !strings.Contains(err.Error(), "Store: a nil *presence.MemoryStore") {
		t.Errorf("a nil store: %v", err)
	}
}

// TestOptionsAreCopied: what the caller does later changes nothing.
func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	o := &presence.Options{Grace: -1, MaxUser: 5}
	p := newTracker(t, o)
	if o.Grace != -1 || o.MaxRooms != 0 || o.Timeout != 0 || o.Logger != nil || o.Store != nil {
		t.Error("the caller's options were changed")
	}
	o.MaxUser = 1
	s := serve(t, p)
	c, _ := s.join(t, as("alice"))
	c.Close()
	nobody(t, p)
	rejected(t, s.Dial(t, as("sixsix")), "forbidden")
}
