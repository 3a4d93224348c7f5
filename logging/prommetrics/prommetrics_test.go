package prommetrics_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

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
