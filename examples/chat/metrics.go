package main

import (
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sioware/sioware/logging/prommetrics"
)

// metrics turns what is logged into metrics for Prometheus.
type metrics struct {
	*prommetrics.Metrics
	registry *prometheus.Registry
}

func newMetrics() (*metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	m, err := prommetrics.New(registry, &prommetrics.Options{
		Events: slices.Sorted(maps.Keys(checks)),
		Codes: []string{
			"nickname_missing", "nickname_too_long", "nickname_invalid", "nickname_taken",
			"message_empty", "message_too_long", "room_missing", "room_too_long", "room_invalid", "rooms_full",
		},
	})
	return &metrics{m, registry}, err
}

// serve serves /metrics at an address of its own, so that no proxy in front of the chat
// can expose them, until stop is called.
func (m *metrics) serve(addr string, log *slog.Logger) (stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // until stop
	}()
	log.Info("metrics", "url", "http://"+l.Addr().String()+"/metrics")
	return func() { _ = srv.Close(); <-done }, nil
}
