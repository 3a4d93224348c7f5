// Package e2e contains only tests: the official Socket.IO clients for Node, version 4.8
// (Engine.IO 4) and 2.5 (Engine.IO 3), against a real server with package wrap.
// driver.mjs is the Node side; README.md describes how to run them.
package e2e
