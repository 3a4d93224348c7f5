package prommetrics_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
	"github.com/sioware/sioware/wrap"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	o := &prommetrics.Options{Events: []string{"say", "typing"}, Codes: []string{"room_full"}, Namespaces: []string{"/chat"}}
	for name, tt := range map[string]struct {
		do   func(m *prommetrics.Metrics)
		want map[string]float64
	}{
		"nothing": {func(*prommetrics.Metrics) {}, nil},
		"opened": {func(m *prommetrics.Metrics) {
			m.Opened(root)
			m.Opened(root)
			m.Opened(chat)
			m.Opened(some)
		}, map[string]float64{
			"connections_opened_total{namespace=/}":     2,
			"connections_opened_total{namespace=/chat}": 1,
			"connections_opened_total{namespace=other}": 1,
			"connections_in_flight{namespace=/}":        2,
			"connections_in_flight{namespace=/chat}":    1,
			"connections_in_flight{namespace=other}":    1,
		}},
		"refused": {func(m *prommetrics.Metrics) {
			m.Refused(root, logging.Refusal{By: "jwtauth", Code: "token_expired"})
			m.Refused(root, logging.Refusal{By: "jwtauth", Code: "token_expired", Err: errors.New("x")})
			m.Refused(root, logging.Refusal{By: "main.admit", Code: "room_full"})
			m.Refused(chat, logging.Refusal{By: "tenants", Code: "made_up"})
			m.Refused(some, logging.Refusal{})
			m.Refused(request, logging.Refusal{By: "engine", Code: "engine_4", Status: 400})
			m.Refused(request, logging.Refusal{Code: "http_404", Status: 404})
			m.Refused(request, logging.Refusal{Code: "aborted"})
			m.Refused(request, logging.Refusal{Code: "http_418", Status: 418})
			m.Refused(request, logging.Refusal{Code: "http_499", Status: 499})
			m.Refused(request, logging.Refusal{Code: "http_302", Status: 302})
			m.Refused(request, logging.Refusal{By: "bad\xff", Code: "bad\xff"})
		}, map[string]float64{
			"connections_refused_total{by=jwtauth,code=token_expired,namespace=/}": 2,
			"connections_refused_total{by=main.admit,code=room_full,namespace=/}":  1,
			"connections_refused_total{by=tenants,code=other,namespace=/chat}":     1,
			"connections_refused_total{by=none,code=none,namespace=other}":         1,
			"connections_refused_total{by=engine,code=engine_4,namespace=none}":    1,
			"connections_refused_total{by=none,code=http_404,namespace=none}":      1,
			"connections_refused_total{by=none,code=aborted,namespace=none}":       1,
			"connections_refused_total{by=none,code=http_418,namespace=none}":      1,
			"connections_refused_total{by=none,code=other,namespace=none}":         1,
			"connections_refused_total{by=none,code=http_302,namespace=none}":      1,
			"connections_refused_total{by=bad\uFFFD,code=other,namespace=none}":    1,
		}},
		"abandoned": {func(m *prommetrics.Metrics) {
			m.Refused(root, logging.Refusal{Abandoned: true})
			m.Refused(some, logging.Refusal{Abandoned: true, By: "x", Code: "unavailable"})
			m.Refused(request, logging.Refusal{Abandoned: true})
		}, map[string]float64{
			"connections_abandoned_total{namespace=/}":     1,
			"connections_abandoned_total{namespace=other}": 1,
			"connections_abandoned_total{namespace=none}":  1,
		}},
		"events": {func(m *prommetrics.Metrics) {
			m.Event(root, logging.Event{Name: "say", Args: 2})
			m.Event(root, logging.Event{Name: "say"})
			m.Event(root, logging.Event{Name: "say", Code: "rate_limited", Err: errors.New("x")})
			m.Event(root, logging.Event{Name: "say", Code: "forbidden", Err: errors.New("x")})
			m.Event(root, logging.Event{Name: "typing", Handled: true})
			m.Event(root, logging.Event{Name: "typing", Handled: true, Err: wrap.ErrHandled})
			m.Event(chat, logging.Event{Name: "say", Err: errors.New("x")})
			m.Event(chat, logging.Event{Name: "made up"})
			m.Event(some, logging.Event{Name: ""})
			m.Event(some, logging.Event{Name: "say\xff"})
		}, map[string]float64{
			"events_received_total{event=say,namespace=/,outcome=ok}":          2,
			"events_received_total{event=say,namespace=/,outcome=limited}":     1,
			"events_received_total{event=say,namespace=/,outcome=refused}":     1,
			"events_received_total{event=typing,namespace=/,outcome=handled}":  2,
			"events_received_total{event=say,namespace=/chat,outcome=refused}": 1,
			"events_received_total{event=other,namespace=/chat,outcome=ok}":    1,
			"events_received_total{event=other,namespace=other,outcome=ok}":    2,
		}},
		"closed": {func(m *prommetrics.Metrics) {
			for range 2 {
				m.Opened(root)
			}
			m.Opened(some)
			m.Closed(root, logging.Summary{Class: logging.ClassNetwork, Duration: 60 * time.Second, EventsIn: 3, EventsOut: 4, BytesIn: 5, BytesOut: 6, Errors: 1, Limited: 1})
			m.Closed(some, logging.Summary{Class: "tomorrow's", Duration: 48 * time.Hour, BytesOut: 1 << 40})
		}, map[string]float64{
			"connections_opened_total{namespace=/}":                   2,
			"connections_opened_total{namespace=other}":               1,
			"connections_in_flight{namespace=/}":                      1,
			"connections_closed_total{class=network,namespace=/}":     1,
			"connections_closed_total{class=unknown,namespace=other}": 1,
			"connection_duration_seconds_count{class=network}":        1,
			"connection_duration_seconds_sum{class=network}":          60,
			"connection_duration_seconds_bucket{class=network,le=60}": 1,
			"connection_duration_seconds_count{class=unknown}":        1, // only in +Inf
			"connection_duration_seconds_sum{class=unknown}":          48 * 3600,
			"events_sent_total{namespace=/}":                          4,
			"received_bytes_total{namespace=/}":                       5,
			"sent_bytes_total{namespace=/}":                           6,
			"sent_bytes_total{namespace=other}":                       1 << 40,
		}},
		"nonsense": {func(m *prommetrics.Metrics) { // an Observer must not panic
			m.Closed(root, logging.Summary{Duration: -1, EventsOut: -1, BytesIn: math.MinInt64, BytesOut: -1})
		}, map[string]float64{
			"connections_in_flight{namespace=/}":                     -1,
			"connections_closed_total{class=unknown,namespace=/}":    1,
			"connection_duration_seconds_count{class=unknown}":       1,
			"connection_duration_seconds_sum{class=unknown}":         -1e-9,
			"connection_duration_seconds_bucket{class=unknown,le=1}": 1,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, reg := fresh(t, o)
			tt.do(m)
			only(t, reg, tt.want)
		})
	}
}

// Every class has a series, and its ends are counted there.
func TestClasses(t *testing.T) {
	t.Parallel()
	m, reg := fresh(t, nil)
	want := map[string]float64{"connections_in_flight{namespace=/}": -6}
	for _, c := range []logging.Class{logging.ClassClient, logging.ClassNetwork, logging.ClassTimeout, logging.ClassServer, logging.ClassProtocol, logging.ClassUnknown} {
		m.Closed(root, logging.Summary{Class: c, Duration: time.Minute})
		want[fmt.Sprintf("connections_closed_total{class=%s,namespace=/}", c)] = 1
		want[fmt.Sprintf("connection_duration_seconds_count{class=%s}", c)] = 1
		want[fmt.Sprintf("connection_duration_seconds_sum{class=%s}", c)] = 60
		want[fmt.Sprintf("connection_duration_seconds_bucket{class=%s,le=60}", c)] = 1
	}
	only(t, reg, want)
}

// Each of the stable codes has a label.
func TestStableCodes(t *testing.T) {
	t.Parallel()
	m, reg := fresh(t, nil)
	want := map[string]float64{}
	codes := strings.Fields("token_missing token_invalid token_expired token_revoked user_disabled forbidden" +
		" rate_limited too_many_connections session_missing session_expired origin_denied replaced unavailable internal" +
		" http_200 http_400 http_401 http_403 http_404 http_429 http_500 http_502 http_503 http_504" +
		" engine_0 engine_1 engine_2 engine_3 engine_4 engine_5")
	for _, code := range codes {
		m.Refused(root, logging.Refusal{By: "x", Code: code})
		want["connections_refused_total{by=x,code="+code+",namespace=/}"] = 1
	}
	only(t, reg, want)
}

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

// What clients make up does not become a series, nor do middlewares beyond the limit.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	m, reg := fresh(t, &prommetrics.Options{Events: []string{"say"}})
	before := lines(t, reg)
	for i := range 10_000 {
		odd := fmt.Sprintf("x\xff\x00{le=\"%d\"}\n%s", i, strings.Repeat("y", i%70))
		c := logging.Conn{ID: odd, Namespace: "/" + odd, Socket: odd, Addr: odd, Transport: odd}
		m.Opened(c)
		m.Event(c, logging.Event{Name: odd, Code: odd})
		m.Event(root, logging.Event{Name: odd})
		m.Refused(c, logging.Refusal{By: "jwtauth", Code: odd})
		m.Refused(c, logging.Refusal{By: "jwtauth", Code: odd, Abandoned: true})
		m.Closed(c, logging.Summary{Reason: odd, Code: odd, Class: logging.Class(odd), Transports: []string{odd}})
	}
	if n := lines(t, reg); n != before+1 { // the refusals by jwtauth
		t.Errorf("%d series have become %d", before, n)
	}
	for i := range 10_000 {
		m.Refused(root, logging.Refusal{By: fmt.Sprintf("x\xff%d", i), Code: "forbidden"})
	}
	if n := lines(t, reg); n != before+1+64 { // 63 names beside jwtauth, and other
		t.Errorf("%d series have become %d", before, n)
	}
	got := values(t, reg)
	for k, want := range map[string]float64{
		"connections_refused_total{by=jwtauth,code=other,namespace=other}":   10_000,
		"connections_refused_total{by=other,code=forbidden,namespace=/}":     10_000 - 63,
		"connections_refused_total{by=x\uFFFD0,code=forbidden,namespace=/}":  1,
		"connections_abandoned_total{namespace=other}":                       10_000,
		"events_received_total{event=other,namespace=other,outcome=refused}": 10_000,
		"events_received_total{event=other,namespace=/,outcome=ok}":          10_000,
	} {
		if got[k] != want {
			t.Errorf("%s is %v, want %v", k, got[k], want)
		}
	}
	if n := got["connections_in_flight{namespace=other}"]; n != 0 {
		t.Errorf("%v are left", n)
	}
}

// The numbers in the documentation.
func TestSeries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    prommetrics.Options
		want int
	}{
		{prommetrics.Options{}, 123},
		{prommetrics.Options{Events: []string{"a"}}, 123 + 8},
		{prommetrics.Options{Namespaces: []string{"/a", "/b"}}, 123 + 2*16},
		{prommetrics.Options{Namespaces: []string{"/a"}, Events: []string{"a", "a"}}, 123 + 8 + 16 + 4},
	} {
		if _, reg := fresh(t, &tt.o); lines(t, reg) != tt.want {
			t.Errorf("%+v: %d series, want %d", tt.o, lines(t, reg), tt.want)
		}
	}
	m, reg := fresh(t, nil)
	codes := strings.Fields("token_missing token_invalid token_expired token_revoked user_disabled forbidden" +
		" rate_limited too_many_connections session_missing session_expired origin_denied replaced unavailable internal" +
		" engine_0 engine_1 engine_2 engine_3 engine_4 engine_5 other")
	codes = append(codes, "")
	for status := range 1000 {
		if http.StatusText(status) != "" {
			codes = append(codes, fmt.Sprint("http_", status))
		}
	}
	for _, c := range []logging.Conn{root, some, request} {
		for _, code := range codes {
			m.Refused(c, logging.Refusal{Code: code})
			for i := range 100 {
				m.Refused(c, logging.Refusal{By: fmt.Sprint(i), Code: code})
			}
		}
	}
	if n := lines(t, reg) - 123; n > 15_000 {
		t.Errorf("%d series of refusals", n)
	} else {
		t.Log(n, "series of refusals")
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

// Options are copied.
func TestOptionsCopied(t *testing.T) {
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

// Everything concurrently, while being scraped.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 500
	m, reg := fresh(t, &prommetrics.Options{Events: []string{"say"}})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				m.Opened(root)
				m.Event(root, logging.Event{Name: "say"})
				m.Refused(root, logging.Refusal{By: fmt.Sprint(w, i), Code: "forbidden"})
				m.Closed(root, logging.Summary{Class: logging.ClassClient, BytesIn: 2})
				if i%50 == 0 {
					_ = values(t, reg)
				}
			}
		})
	}
	wg.Wait()
	var refused float64
	var names int
	got := values(t, reg)
	for k, v := range got {
		if strings.HasPrefix(k, "connections_refused_total") {
			refused += v
			names++
		}
	}
	if refused != workers*each || names != 65 {
		t.Errorf("%v refusals by %d", refused, names)
	}
	for k, want := range map[string]float64{
		"connections_opened_total{namespace=/}":                   workers * each,
		"connections_in_flight{namespace=/}":                      0,
		"events_received_total{event=say,namespace=/,outcome=ok}": workers * each,
		"received_bytes_total{namespace=/}":                       2 * workers * each,
	} {
		if got[k] != want {
			t.Errorf("%s is %v, want %v", k, got[k], want)
		}
	}
}
