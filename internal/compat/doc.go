// Package compat verifies that middlewares written for net/http run unmodified through
// package wrap. It contains only tests, and is a module of its own so that the
// middlewares are not dependencies of the main module.
//
// Every test names the places where a middleware makes sense:
//
//	handler    wrap.Handler, on the handshake
//	engine     wrap.Engine, on the handshake
//	every      wrap.Every, on each request of the session
//	namespace  wrap.Namespace, when a socket joins
//	around     outside wrap.Handler, on each request of the session
//
// and runs there over WebSocket, over long-polling, and over long-polling with an upgrade
// to WebSocket. If a place is left out, the reason is given beside it. The server is a
// real one, and the client sees what is on the wire.
package compat
