package prommetrics_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
)

// fresh returns metrics and the registry that they are in.
func fresh(tb testing.TB, o *prommetrics.Options) (*prommetrics.Metrics, *prometheus.Registry) {
	tb.Helper()
	reg := prometheus.NewPedanticRegistry()
	m, err := prommetrics.New(reg, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m, reg
}

// values returns the non-zero values, by name and labels as in the text format. A
// histogram yields its _count, its _sum and the buckets that differ from the previous
// one.
func values(tb testing.TB, reg prometheus.Gatherer) map[string]float64 {
	tb.Helper()
	families, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			set := func(suffix string, v float64, more ...string) {
				if v != 0 {
					name := strings.TrimPrefix(f.GetName(), "sioware_") + suffix
					out[name+"{"+strings.Join(append(labels, more...), ",")+"}"] = v
				}
			}
			h := m.GetHistogram()
			if h == nil {
				set("", m.GetCounter().GetValue()+m.GetGauge().GetValue())
				continue
			}
			set("_count", float64(h.GetSampleCount()))
			set("_sum", h.GetSampleSum())
			var below uint64
			for _, b := range h.GetBucket() {
				set("_bucket", float64(b.GetCumulativeCount()-below), fmt.Sprint("le=", b.GetUpperBound()))
				below = b.GetCumulativeCount()
			}
		}
	}
	return out
}

// only checks that these values and no others are non-zero.
func only(t *testing.T, reg prometheus.Gatherer, want map[string]float64) {
	t.Helper()
	got := values(t, reg)
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
		delete(got, k)
	}
	for k, v := range got {
		t.Errorf("%s is %v, want nothing", k, v)
	}
}

// lines counts the samples of a scrape.
func lines(tb testing.TB, reg prometheus.Gatherer) (n int) {
	tb.Helper()
	families, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			n++
			if h := m.GetHistogram(); h != nil {
				n += len(h.GetBucket()) + 2 // +Inf, _sum; _count is counted
			}
		}
	}
	return n
}

var (
	root    = logging.Conn{ID: "x", Namespace: "/", Socket: "s"}
	chat    = logging.Conn{ID: "x", Namespace: "/chat", Socket: "s"}
	some    = logging.Conn{ID: "x", Namespace: "/made-up", Socket: "s"}
	request = logging.Conn{ID: "x"}
)
