// Bench measures the figures that the budgets of this module are about: servers in
// processes of their own, side by side and in turns, with one load generator.
//
//	go run ./internal/bench             # a quarter of an hour, on a machine with nothing else to do
//	go run ./internal/bench -quick      # a look
//	go run ./internal/bench -only websocket -servers wrap,full,full-session
//	go run ./internal/bench -only micro -profile /tmp/profiles
//
// It exits with status 1 if a budget is missed. docs/benchmarks.md explains what the
// figures mean, and what they do not.
//
// The servers are
//
//	bare   the host alone
//	wrap   behind wrap.Handler, with wrap.Harden
//	full   and all five packages, with stores in memory
//	node   Socket.IO on Node with packages that do the same: node/server.mjs
//
// or one of these with parts added or left out: "full-session", "wrap+jwtauth+logging".
// The parts are logging, ratelimit, events (its limits of events), session, jwtauth,
// presence, and func, which is an empty wrap.Func. Of node only the events can be left
// out.
package main
