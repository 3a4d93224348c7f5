package logging

import "time"

// Observer is told what the records say, for metrics and the like; see
// logging/prommetrics. It is told everything, whatever the levels of the logger and the
// sampling of events. Its methods run concurrently, on goroutines that serve clients:
// they must not block, and must not panic.
type Observer interface {
	// Opened is called when a socket has been connected, before its "connection"
	// handlers run.
	Opened(Conn)
	// Refused is called when a socket or a request has been refused, or its client has
	// left before that was decided.
	Refused(Conn, Refusal)
	// Event is called when it has been decided whether an event goes to its
	// handlers.
	Event(Conn, Event)
	// Closed is called once for each Opened, after it.
	Closed(Conn, Summary)
}

// Conn is a socket, or the request that would have become one. All of it may be made up
// by a client, except ID and Addr. Secrets have been removed.
type Conn struct {
	ID        string    // of the Engine.IO connection: random, made here, not the engine's
	Namespace string    // empty for a request
	Socket    string    // the host's id of the socket; empty for a request and with Engine.IO 3
	Addr      string    // of the client, without a port; see Options.TrustedProxies
	Transport string    // "polling" or "websocket", at the time
	Protocol  int       // of Engine.IO: 3 or 4; 0 if not known
	Recovered bool      // by connection state recovery
	Began     time.Time // when it reached the Logger
}

// Refusal is why a socket or a request has been refused.
type Refusal struct {
	// By is the name of the middleware; see wrap.Named. It is "engine" for refusals by
	// the host itself, and empty if it cannot be known.
	By string
	// Code is that of the *wrap.Error, or the "code" in the data of another error that
	// the middleware returned. It is "http_NNN" for a request that was refused with any
	// other answer, "engine_N" for the engine's own codes, "aborted" for a request whose
	// handler panicked with http.ErrAbortHandler, and empty if there is none.
	Code string
	// Abandoned is set if nobody refused it: the client has left.
	Abandoned bool
	// Status is that of the answer to a request; 0 for sockets, or if there was no
	// answer.
	Status int
	// Took is how long the decision took.
	Took time.Duration
	// Err is the cause, which is not for the client. It may contain secrets: the records
	// are redacted, Err is not.
	Err error
}

// Event is an event that a client has sent.
type Event struct {
	// Name is up to the client. It is cut to 64 bytes.
	Name string
	// Args counts the arguments, without the ack.
	Args int
	// Code is that of the refusal if the event was refused, else empty.
	Code string
	// Handled is set if a middleware dealt with the event instead of the handlers.
	Handled bool
	// Err is why it was refused, or nil. It may contain secrets.
	Err error
}

// Class says who or what ended a connection.
type Class string

// The classes of the host's reasons.
const (
	ClassClient   Class = "client"   // it said goodbye, or closed the connection
	ClassNetwork  Class = "network"  // the connection broke
	ClassTimeout  Class = "timeout"  // it did not answer
	ClassServer   Class = "server"   // we ended it: kicked, disconnected, shut down
	ClassProtocol Class = "protocol" // it sent something that could not be decoded
	ClassUnknown  Class = "unknown"  // a reason that v2.5.0 of the host does not have
)

// Summary describes a connection that has ended.
type Summary struct {
	Reason     string        // the host's reason
	Class      Class         // of the reason
	Code       string        // why it was kicked, if by wrap.Kick
	Err        error         // likewise, or nil; it may hold secrets
	Duration   time.Duration // since it was connected
	Transports []string      // in order of use
	EventsIn   int64         // that it sent, refused or not
	EventsOut  int64         // that it was sent; 0 unless the parser is the stock one
	BytesIn    int64         // of its packets, as Engine.IO carries them, before compression
	BytesOut   int64
	Errors     int64 // events that were refused, except Limited
	Limited    int64 // events that were refused as rate_limited
}
