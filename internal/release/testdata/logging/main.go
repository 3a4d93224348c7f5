package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"

	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	var out bytes.Buffer
	log := slog.New(logging.Redact(slog.NewTextHandler(&out, nil)))
	logs, err := logging.New(log, nil)
	if err != nil {
		panic(err)
	}
	wrap.UseAll(socket.NewServer(nil, nil), logs.Middleware())
	log.Info("hello", "password", "abracadabra")
	fmt.Println(strings.Contains(out.String(), "hello"), strings.Contains(out.String(), "abracadabra"))
}
