// Package sioware is the root of connection middleware for Socket.IO servers
// built on github.com/zishang520/socket.io/v2. It has no code of its own:
//
//   - wrap runs any net/http middleware on the handshake, and is how connection
//     and packet middleware is written.
//
// Packages for JWT authentication, rate limits, sessions, logs and presence are
// to follow, each usable alone and built on wrap.
//
// # Order of a chain
//
// From the outside in, what refuses cheaply and for most comes first:
//
//  1. around wrap.Handler: CORS, access logs, anything for every response;
//  2. in wrap.Handler: wrap.Origin, request ids, limits by address, sessions;
//  3. in wrap.UseAll: wrap.Require, logs, limits, sessions, authentication,
//     presence;
//  4. in nsp.Use: what one namespace asks for, such as a role;
//  5. wrap.Packet: what events ask for.
package sioware
