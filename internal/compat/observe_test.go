package compat_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/httplog/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// metrics are the instruments of promhttp.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	running  prometheus.Gauge
}

func newMetrics() metrics {
	return metrics{
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests"}, []string{"code", "method"}),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "seconds"}, []string{"code"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "running"}),
	}
}

func (m metrics) middleware(next http.Handler) http.Handler {
	next = promhttp.InstrumentHandlerCounter(m.requests, next)
	next = promhttp.InstrumentHandlerDuration(m.seconds, next)
	return promhttp.InstrumentHandlerInFlight(m.running, next)
}

// await waits until n requests with the status have been counted.
func (m metrics) await(t *testing.T, status, n int) {
	t.Helper()
	siotest.Eventually(t, "the request is counted with "+text(status), func() bool {
		return testutil.ToFloat64(m.requests.WithLabelValues(text(status), "get")) >= float64(n)
	})
}

// tracer records what otelhttp does.
type tracer struct{ *tracetest.SpanRecorder }

func (tr tracer) middleware() wrap.Middleware {
	return otelhttp.NewMiddleware("handshake",
		otelhttp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(tr.SpanRecorder))),
		otelhttp.WithPropagators(propagation.TraceContext{}))
}

// first waits for the end of the first span.
func (tr tracer) first(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	siotest.Eventually(t, "a span ends", func() bool { return len(tr.Ended()) > 0 })
	return tr.Ended()[0]
}

func statusOf(span sdktrace.ReadOnlySpan) int {
	for _, a := range span.Attributes() {
		if a.Key == attribute.Key("http.response.status_code") {
			return int(a.Value.AsInt64())
		}
	}
	return 0
}

func TestObservers(t *testing.T) {
	run(t, []row{
		// Everywhere the span covers one call of the chain, never the connection.
		{name: "otelhttp", at: anywhere, test: func(t *testing.T, e env) {
			tr := tracer{tracetest.NewSpanRecorder()}
			v := e.serve(t, tr.middleware()).admit(t, http.Header{
				"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			})
			span := tr.first(t) // the client is still connected
			if got := statusOf(span); got != e.status() {
				t.Errorf("status %d, want %d", got, e.status())
			}
			if got := span.Parent().SpanID().String(); got != "b7ad6b7169203331" {
				t.Errorf("parent %s", got)
			}
			own := trace.SpanFromContext(wrap.Context(v.socket))
			if own.SpanContext().SpanID() != span.SpanContext().SpanID() || own.IsRecording() {
				t.Errorf("span of the socket %v, recording: %v", own.SpanContext(), own.IsRecording())
			}
			if n := len(tr.Started()); e.once() && n != 1 {
				t.Errorf("%d spans for one session", n)
			}
		}},
		{name: "otelhttp/refused", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			tr := tracer{tracetest.NewSpanRecorder()}
			e.serve(t, tr.middleware(), answer(http.StatusForbidden, "not you")).refuse(t, nil)
			if got := statusOf(tr.first(t)); got != http.StatusForbidden {
				t.Errorf("status %d", got)
			}
		}},
		{name: "promhttp", at: anywhere, test: func(t *testing.T, e env) {
			m := newMetrics()
			e.serve(t, m.middleware).admit(t, nil)
			m.await(t, e.status(), 1)
			if !e.once() {
				return
			}
			siotest.Eventually(t, "nothing is in flight while the client is connected", func() bool {
				return testutil.ToFloat64(m.running) == 0
			})
			if n := testutil.CollectAndCount(m.requests); n != 1 {
				t.Errorf("%d kinds of answers", n)
			}
			if n := testutil.CollectAndCount(m.seconds); n != 1 {
				t.Errorf("%d durations", n)
			}
		}},
		{name: "promhttp/refused", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			m := newMetrics()
			e.serve(t, m.middleware, answer(http.StatusForbidden, "not you")).refuse(t, nil)
			m.await(t, http.StatusForbidden, 1)
		}},
		// A request that the engine refuses after the chain has let it pass. Engine and
		// Every must answer the chain before the engine decides.
		{name: "promhttp/engine refuses", at: handler | around, refuses: true, test: func(t *testing.T, e env) {
			m := newMetrics()
			s := e.serve(t, m.middleware)
			s.fetch(t, http.MethodGet, "&transport=carrier-pigeon", "", nil)
			m.await(t, http.StatusBadRequest, 1)
		}},
		{name: "httplog", at: anywhere, test: func(t *testing.T, e env) {
			var out buffer
			e.serve(t, logger(&out, httplog.Options{LogRequestHeaders: []string{"X-Client"}})).
				admit(t, http.Header{"X-Client": {"c-3"}})
			line := firstLine(t, &out)
			if got := line["http.response.status_code"]; got != float64(e.status()) {
				t.Errorf("status %v in %v", got, line)
			}
			headers, _ := line["http.request.headers"].(map[string]any)
			if headers["X-Client"] != "c-3" {
				t.Errorf("headers %v", headers)
			}
			if n := strings.Count(out.String(), "\n"); e.once() && n != 1 {
				t.Errorf("%d lines for one session:\n%s", n, out.String())
			}
		}},
		{name: "httplog/bodies", at: handler, test: func(t *testing.T, e env) { // elsewhere no body passes
			var out buffer
			yes := func(*http.Request) bool { return true }
			e.serve(t, logger(&out, httplog.Options{
				LogRequestBody: yes, LogResponseBody: yes, LogBodyContentTypes: []string{"text/plain"},
			})).admit(t, nil)
			body, _ := firstLine(t, &out)["http.response.body.content"].(string)
			if strings.Contains(body, `"sid":`) != (e.mode != webSocket) {
				t.Errorf("body %q", body)
			}
		}},
		// On an upgrade it writes nothing and logs 200: that is its own behavior.
		{name: "httplog/panic", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			var out buffer
			got := e.serve(t, logger(&out, httplog.Options{RecoverPanics: true}), bang).refuse(t, nil)
			if got.status != http.StatusInternalServerError {
				t.Errorf("status %d", got.status)
			}
			if line := firstLine(t, &out); line["error.message"] != "panic: on purpose" {
				t.Errorf("logged %v", line)
			}
		}},
	})
}

func logger(out *buffer, o httplog.Options) wrap.Middleware {
	return httplog.RequestLogger(slog.New(slog.NewJSONHandler(out, nil)), &o)
}

// firstLine waits for the first line of a log.
func firstLine(t *testing.T, out *buffer) map[string]any {
	t.Helper()
	siotest.Eventually(t, "a line in the log", func() bool { return strings.Contains(out.String(), "\n") })
	first, _, _ := strings.Cut(out.String(), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		t.Fatal(err)
	}
	return line
}
