package prommetrics_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
)

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
