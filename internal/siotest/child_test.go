package siotest_test

import (
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
)

func TestChild(t *testing.T) {
	t.Parallel()
	child := siotest.ChildProcess(t, "echo")
	child.Server().Dial(t, siotest.Dial{Polling: true}).Connected(t)
	if !child.Alive() || child.Err() != nil {
		t.Errorf("the child is dead: %v\n%s", child.Err(), child.Stderr())
	}
	child.Stop()
	child.Stop()
	if child.Alive() || child.Err() != nil {
		t.Errorf("after Stop the child is alive (%t) or failed: %v", child.Alive(), child.Err())
	}
}

func TestChildCrash(t *testing.T) {
	t.Parallel()
	child := siotest.ChildProcess(t, "crash")
	child.Server().Dial(t, siotest.Dial{Polling: true})
	siotest.Eventually(t, "the child crashes", func() bool { return !child.Alive() })
	if !strings.Contains(child.Stderr(), "on purpose") || child.Err() == nil {
		t.Errorf("err %v, stderr %q", child.Err(), child.Stderr())
	}
}
