// Package sioware is the root of connection middleware for Socket.IO servers
// built on github.com/zishang520/socket.io/v2. It has no code of its own:
//
//   - wrap runs any net/http middleware on the handshake, and is how connection
//     and packet middleware is written;
//   - jwtauth authenticates sockets by JSON Web Tokens for as long as they live,
//     with jwtauth/jwks for the keys of a server, jwtauth/redisstore for
//     revocations on many nodes, and jwtauth/jwtauthtest for tests.
//
// Packages for rate limits, sessions, logs and presence are to follow, each usable
// alone and built on wrap.
//
// # Order of a chain
//
// From the outside in, what refuses cheaply and for most comes first:
//
//  1. around wrap.Handler: CORS, access logs, anything for every response;
//  2. in wrap.Handler: wrap.Origin, request ids, limits by address, sessions,
//     auth.Handler;
//  3. in wrap.UseAll: wrap.Require, logs, limits, sessions, auth.Middleware,
//     presence;
//  4. in nsp.Use: what one namespace asks for, such as auth.Require with a role;
//  5. wrap.Packet and auth.Events: what events ask for.
package sioware
