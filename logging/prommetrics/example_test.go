package prommetrics_test

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// A server that is logged and measured.
func Example() {
	metrics, err := prommetrics.New(prometheus.DefaultRegisterer, &prommetrics.Options{
		Events:     []string{"say", "typing"},
		Codes:      []string{"room_full"},
		Namespaces: []string{"/chat"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	logs, err := logging.New(slog.Default(), &logging.Options{Observer: metrics})
	if err != nil {
		fmt.Println(err)
		return
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, logs.Middleware())
	h := io.ServeHandler(nil)
	logs.Engine(io.Engine())
	http.Handle("/socket.io/", wrap.Handler(h, logs.Handler))
	http.Handle("/metrics", promhttp.Handler())
}

// What package logging tells is counted under the names that are known.
func ExampleNew() {
	reg := prometheus.NewRegistry()
	metrics, err := prommetrics.New(reg, &prommetrics.Options{Events: []string{"say"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// A Logger with Options{Observer: metrics} does this.
	metrics.Opened(logging.Conn{Namespace: "/"})
	metrics.Event(logging.Conn{Namespace: "/"}, logging.Event{Name: "say"})
	metrics.Event(logging.Conn{Namespace: "/"}, logging.Event{Name: "made up by a client"})

	families, err := reg.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetCounter().GetValue() == 0 {
				continue
			}
			fmt.Print(f.GetName())
			for _, l := range m.GetLabel() {
				fmt.Printf(" %s=%q", l.GetName(), l.GetValue())
			}
			fmt.Println(":", m.GetCounter().GetValue())
		}
	}
	// Output:
	// sioware_connections_opened_total namespace="/": 1
	// sioware_events_received_total event="other" namespace="/" outcome="ok": 1
	// sioware_events_received_total event="say" namespace="/" outcome="ok": 1
}
