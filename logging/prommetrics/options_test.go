package prommetrics_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
)

// The names are valid for Prometheus, and start with the prefix.
func TestNames(t *testing.T) {
	t.Parallel()
	m, reg := fresh(t, &prommetrics.Options{Prefix: "my_app", Buckets: []float64{0.5, math.Inf(1)}, ConstLabels: prometheus.Labels{"server": "a"}})
	m.Refused(root, logging.Refusal{})
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Error(err, problems)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 10 {
		t.Errorf("%d metrics", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "my_app_") || f.GetHelp() == "" {
			t.Errorf("%s: %s", f.GetName(), f.GetHelp())
		}
		for _, s := range f.GetMetric() {
			if !strings.Contains(s.String(), `value:"a"`) {
				t.Errorf("%s: %s", f.GetName(), s)
			}
		}
	}
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	if _, err := prommetrics.New((*prometheus.Registry)(nil), nil); err == nil || err.Error() != "prommetrics: no Registerer" {
		t.Errorf("a Registry that is a nil pointer: %v", err)
	}
	_, err := prommetrics.New(nil, &prommetrics.Options{
		Prefix:      "my-app",
		Events:      []string{"fine", "", "\xff", strings.Repeat("x", 65)},
		Codes:       []string{"other", "fine"},
		Namespaces:  []string{"chat", "/fine"},
		Buckets:     []float64{1, 1, math.NaN()},
		ConstLabels: prometheus.Labels{"le": "", "__x": "", "a-b": "", "ok": "\xff", "fine": "fine"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`prommetrics: no Registerer`,
		`prommetrics: Buckets: 1 is not greater than the one before`,
		`prommetrics: Buckets: NaN is not greater than the one before`,
		`prommetrics: Codes: "other" has another meaning`,
		`prommetrics: ConstLabels: "__x" is not a valid label name`,
		`prommetrics: ConstLabels: "a-b" is not a valid label name`,
		`prommetrics: ConstLabels: "le" is a label of prommetrics itself`,
		`prommetrics: ConstLabels: ok: "\xff" is not UTF-8`,
		`prommetrics: Events: "" has another meaning`,
		`prommetrics: Events: "\xff" is not UTF-8`,
		`prommetrics: Events: "` + strings.Repeat("x", 65) + `" is longer than the 64 bytes that are kept of a name`,
		`prommetrics: Namespaces: "chat" does not begin with a slash`,
		`prommetrics: Prefix: "my-app" is not made of letters, digits and underscores`,
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestOptionsAreCopied: what the caller does later changes nothing.
func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	o := &prommetrics.Options{Events: []string{"say"}, Buckets: []float64{1}, ConstLabels: prometheus.Labels{"a": "b"}}
	m, reg := fresh(t, o)
	o.Events[0], o.Buckets[0], o.ConstLabels["a"] = "x", math.NaN(), "c"
	m.Event(root, logging.Event{Name: "say"})
	m.Closed(root, logging.Summary{Class: logging.ClassClient, Duration: time.Second})
	got := values(t, reg)
	if got["events_received_total{a=b,event=say,namespace=/,outcome=ok}"] != 1 || got["connection_duration_seconds_bucket{a=b,class=client,le=1}"] != 1 {
		t.Error(got)
	}
}

// Registering twice is an error, and so is a name that is taken; nothing of ours is
// registered then.
func TestRegisterTwice(t *testing.T) {
	t.Parallel()
	taken := prometheus.NewPedanticRegistry()
	taken.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "sioware_sent_bytes_total", Help: "theirs"}))
	if m, err := prommetrics.New(taken, nil); err == nil || m != nil {
		t.Error("no error for a name that is taken")
	}
	if n := lines(t, taken); n != 1 {
		t.Errorf("%d series are left", n)
	}

	first, reg := fresh(t, nil)
	_, err := prommetrics.New(reg, nil)
	var already prometheus.AlreadyRegisteredError
	if !errors.As(err, &already) || !errors.Is(err, already) {
		t.Errorf("the second time: %v", err)
	}
	// Other instances differ in their constant labels, or in their prefix.
	for _, o := range []*prommetrics.Options{{Prefix: "b"}, {Prefix: "c", ConstLabels: prometheus.Labels{"server": "a"}}, {Prefix: "c", ConstLabels: prometheus.Labels{"server": "b"}}} {
		if _, err := prommetrics.New(reg, o); err != nil {
			t.Error(err)
		}
	}
	first.Opened(root)
	if n := lines(t, reg); n != 4*123 || values(t, reg)["connections_opened_total{namespace=/}"] != 1 {
		t.Errorf("%d series", n)
	}
}
