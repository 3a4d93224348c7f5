package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
)

func main() {
	reg := prometheus.NewRegistry()
	metrics, err := prommetrics.New(reg, nil)
	if err != nil {
		panic(err)
	}
	if _, err := logging.New(slog.Default(), &logging.Options{Observer: metrics}); err != nil {
		panic(err)
	}
	metrics.Opened(logging.Conn{Namespace: "/"})
	all, err := reg.Gather()
	fmt.Println(len(all) > 0, err)
}
