// Package compat proves that middlewares written for net/http run unmodified
// through package wrap. It holds nothing but tests, and is a module of its own
// so that the middlewares are no dependencies of the main module.
//
// Every test names the places where a middleware makes sense:
//
//	handler    wrap.Handler, on the handshake
//	engine     wrap.Engine, on the handshake
//	every      wrap.Every, on each request of the session
//	namespace  wrap.Namespace, when a socket joins
//	around     outside wrap.Handler, on each request of the session
//
// and runs there over WebSocket, over long-polling, and over long-polling with
// an upgrade to WebSocket. A place that is left out has its reason beside it.
// The server is a real one, and the client sees what is on the wire.
package compat
