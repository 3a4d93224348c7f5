// Package goclient verifies that a client in Go, github.com/zishang520/socket.io-client-go,
// gets along with servers that have the middlewares of this module: it is let in, and is
// told codes when it is not. It contains only tests, and is a module of its own so that the
// client is not a dependency of the main module.
//
// What that client does differently from those in JavaScript is in docs/clients.md.
package goclient
