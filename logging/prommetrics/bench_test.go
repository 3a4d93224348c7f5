package prommetrics_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
)

func TestAllocations(t *testing.T) {
	m, _ := fresh(t, &prommetrics.Options{Events: []string{"say"}})
	err := errors.New("x")
	for name, f := range map[string]func(){
		"known":   func() { m.Event(root, logging.Event{Name: "say"}) },
		"unknown": func() { m.Event(some, logging.Event{Name: "made up"}) },
		"refused": func() { m.Event(root, logging.Event{Name: "say", Code: "forbidden", Err: err}) },
		"opened":  func() { m.Opened(root) },
		"closed":  func() { m.Closed(root, logging.Summary{Class: logging.ClassClient, Duration: time.Minute}) },
		"refusal": func() { m.Refused(root, logging.Refusal{By: "x", Code: "forbidden"}) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	m, _ := fresh(b, &prommetrics.Options{Events: []string{"say"}})
	for _, name := range []string{"say", "made up"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Event(root, logging.Event{Name: name, Args: 1})
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				m.Event(root, logging.Event{Name: "say", Args: 1})
			}
		})
	})
}

func BenchmarkRefused(b *testing.B) {
	m, _ := fresh(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		m.Refused(root, logging.Refusal{By: "jwtauth", Code: "token_expired"})
	}
}

func BenchmarkOpenedClosed(b *testing.B) {
	m, _ := fresh(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		m.Opened(root)
		m.Closed(root, logging.Summary{Class: logging.ClassClient, Duration: time.Minute, BytesIn: 1, BytesOut: 1, EventsOut: 1})
	}
}
