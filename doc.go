// Package sioware is the root of a module of connection middleware for Socket.IO servers
// built on github.com/zishang520/socket.io/v2. It has no code of its own:
//
//   - wrap runs any net/http middleware on the handshake, and is the foundation for
//     connection and packet middleware;
//   - jwtauth authenticates sockets by JSON Web Tokens for as long as they live, with
//     jwtauth/jwks for the key sets of identity providers, jwtauth/redisstore for
//     revocations across nodes, and jwtauth/jwtauthtest for tests;
//   - ratelimit limits attempts, connections, events and bytes, with ratelimit/redisstore
//     for many nodes, and ratelimit/storetest for tests;
//   - session attaches the sessions of any gorilla/sessions store to sockets;
//   - logging records what becomes of connections with log/slog, without their secrets,
//     with logging/prommetrics for metrics;
//   - presence knows who is online, with presence/redisstore for many nodes, and
//     presence/storetest for tests.
//
// Each can be used alone and is built on wrap.
//
// # Order of a chain
//
// From the outside in, with what refuses cheaply and most often first:
//
//  1. around wrap.Handler: CORS, anything for every response;
//  2. in wrap.Handler: request ids, logs, wrap.Origin, limits by address, sessions,
//     auth.Handler;
//  3. in wrap.UseAll: logs, wrap.Require, limits, sessions, auth.Middleware,
//     presence;
//  4. in nsp.Use: what a single namespace requires, such as auth.Require with a role;
//  5. wrap.Packet and auth.Events: what events require.
package sioware
