package wrap

import (
	"github.com/sioware/sioware/wrap/internal/decode"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

// Parser returns p with a decoder that refuses packets the host cannot survive.
// A nil p means the stock parser; Parser(Parser(p)) is Parser(p). It is for
// ServerOptions.SetParser; [Harden] sets it. The encoder stays that of p.
//
// In v2.5.0 any connected client can end the process with the frame "42": the stock
// decoder checks a payload only if there is one (parser/decoder.go:216), and the host
// assumes that it is a list, on a goroutine of its own where nothing recovers
// (client.go:216, socket.go:554 "packet.Data.([]any)", and socket.go:589 for
// acknowledgements). The stock decoder also collects binary attachments without limit
// (parser/index.go:35).
//
// These are refused with any parser: an event without a name or with a reserved one, an
// acknowledgement without id or arguments, a connect packet whose payload is neither
// absent nor an object, a disconnect packet with a payload, a connect_error packet (never
// legal from a client), an unknown type, anything that is not a *parser.Packet, and a
// panic of the decoder. With packets in the stock text format, so are a namespace name
// over 1,024 bytes, more than 1,024 attachments, more than the payload has room to
// reference, and a further attachment while 16 MiB wait for the rest of their packet.
// Everything else passes with the same values.
//
// The stock decoder is replaced by one of our own, which is a little faster and also
// refuses data after the payload.
//
// On a refusal the client sees its connection closed, on both transports, and the
// server's sockets of that client get "error" and then "disconnect" ("forced close").
//
// Parser and its result are as safe for concurrent use as p is. A decoder is safe for
// concurrent use (the host calls Add from two goroutines during an upgrade, and Destroy
// from a third). Decoders of p must emit "decoded" within Add, as the stock one does.
// Middleware runs inside Add, while no lock is held.
func Parser(p parser.Parser) parser.Parser { return decode.Parser(p) }
