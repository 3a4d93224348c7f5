// Package siotest is the test kit of this module: a real Socket.IO server on
// loopback and a raw protocol client.
//
// [NewServer] starts the host's server behind an [net/http/httptest.Server],
// closes both when the test ends and fails the test when connections or
// sockets are left over. [Server.Dial] and [Server.Open] return a [Client]
// that speaks Engine.IO 4 and 3 over WebSocket and long polling without any
// code of the host, so that a test sees what is really on the wire, including
// packets no official client would send.
//
// Scenarios that may kill the process run in a child: see [Main] and
// [ChildProcess].
//
// Nothing here is a mock. Every wait is bounded and reports what was received
// when it gives up.
package siotest
