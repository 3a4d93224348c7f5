// Package soak contains only tests: one server with every package of this module, in a
// process of its own, under clients most of which are hostile. Some well-behaved ones are
// among them, and must be served all the time. When everybody has left, everything must
// be as it was: goroutines, heap, file descriptors, slots, who is online, the metrics.
//
//	go test ./internal/soak -soak 30m -timeout 1h -v
//	go test ./internal/soak -soak.seed 42 -v // the choices of another run
package soak
