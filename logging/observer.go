package logging

import "time"

// Observer is told what the records tell, for metrics and the like; see
// logging/prommetrics. It is told of all, whatever the levels of the logger are and
// however events are sampled. Its methods run concurrently, on goroutines that serve
// clients: they must not block, and must not panic.
type Observer interface {
	// Opened is called when a socket has been connected, before its "connection"
	// handlers run.
	Opened(Conn)
	// Refused is called when a socket or a request has been refused, or its client
	// has left before it was decided.
	Refused(Conn, Refusal)
	// Event is called when it has been decided whether an event goes to its
	// handlers.
	Event(Conn, Event)
	// Closed is called once for each Opened, after it.
	Closed(Conn, Summary)
}

// Conn is a socket, or the request that would have become one. All of it may be what
// a client has made up, but for ID and Addr. Secrets have been taken out.
type Conn struct {
	ID        string    // of the Engine.IO connection: random, made here, not the engine's
	Namespace string    // empty for a request
	Socket    string    // the host's id of the socket; empty for a request and with Engine.IO 3
	Addr      string    // of the client, without a port; see Options.TrustedProxies
	Transport string    // "polling" or "websocket", at that time
	Protocol  int       // of Engine.IO: 3 or 4; 0 if not known
	Recovered bool      // by connection state recovery
	Began     time.Time // when it reached the Logger
}

// Refusal is why a socket or a request has been refused.
type Refusal struct {
	// By is the name of the middleware; see wrap.Named. It is "engine" for what the
	// host itself refuses, and empty if it cannot be known.
	By string
	// Code is that of the *wrap.Error, or what the middleware has as "code" in the
	// data of another error. It is "http_NNN" for a request that was refused with
	// another answer, "engine_N" for the engine's own codes, "aborted" for a request
	// whose handler has panicked with http.ErrAbortHandler, and empty if there is none.
	Code string
	// Abandoned is set if nobody has refused it: the client has left.
	Abandoned bool
	// Status is that of the answer to a request, else 0, as it is if there was none.
	Status int
	// Took is how long it took to decide.
	Took time.Duration
	// Err is the cause, which is not for the client. It may hold secrets: the
	// records are scrubbed, Err is not.
	Err error
}

// Event is an event that a client has sent.
type Event struct {
	// Name is up to the client. It is cut to 64 bytes.
	Name string
	// Args counts the arguments, without the ack.
	Args int
	// Code is that of the refusal if it was refused, else empty.
	Code string
	// Handled is set if a middleware has dealt with it in place of the handlers.
	Handled bool
	// Err is why it was refused, or nil. It may hold secrets.
	Err error
}

// Class says whose doing the end of a connection was.
type Class string

// The classes of the host's reasons.
const (
	ClassClient   Class = "client"   // it has said goodbye, or closed the connection
	ClassNetwork  Class = "network"  // the connection broke
	ClassTimeout  Class = "timeout"  // it did not answer
	ClassServer   Class = "server"   // we have ended it: kicked, disconnected, shut down
	ClassProtocol Class = "protocol" // it has sent what nobody could read
	ClassUnknown  Class = "unknown"  // a reason that v2.5.0 of the host does not have
)

// Summary is what there is to say of a connection when it ends.
type Summary struct {
	Reason     string        // the host's word
	Class      Class         // of the reason
	Code       string        // why it was put out, if by wrap.Kick
	Err        error         // likewise, or nil; it may hold secrets
	Duration   time.Duration // since it was connected
	Transports []string      // in the order in which it used them
	EventsIn   int64         // that it has sent, refused or not
	EventsOut  int64         // that it was sent; 0 if the parser is not the stock one
	BytesIn    int64         // of its packets, as Engine.IO carries them, before compression
	BytesOut   int64
	Errors     int64 // events that were refused, but for Limited
	Limited    int64 // events that were refused as rate_limited
}
