// Package sioware is the root of connection middleware for Socket.IO servers
// built on github.com/zishang520/socket.io/v2. It has no code of its own:
//
//   - wrap runs any net/http middleware on the handshake, and is how connection
//     and packet middleware is written;
//   - jwtauth authenticates sockets by JSON Web Tokens for as long as they live,
//     with jwtauth/jwks for the keys of a server, jwtauth/redisstore for
//     revocations on many nodes, and jwtauth/jwtauthtest for tests;
//   - ratelimit limits attempts, connections, events and bytes, with
//     ratelimit/redisstore for many nodes, and ratelimit/storetest for tests;
//   - session attaches the sessions of any gorilla/sessions store to sockets;
//   - logging records what becomes of connections in log/slog, without their secrets,
//     with logging/prommetrics for metrics;
//   - presence knows who is online, with presence/redisstore for many nodes, and
//     presence/storetest for tests.
//
// Each is usable alone and built on wrap.
//
// # Order of a chain
//
// From the outside in, what refuses cheaply and for most comes first:
//
//  1. around wrap.Handler: CORS, anything for every response;
//  2. in wrap.Handler: request ids, logs, wrap.Origin, limits by address, sessions,
//     auth.Handler;
//  3. in wrap.UseAll: logs, wrap.Require, limits, sessions, auth.Middleware,
//     presence;
//  4. in nsp.Use: what one namespace asks for, such as auth.Require with a role;
//  5. wrap.Packet and auth.Events: what events ask for.
package sioware
