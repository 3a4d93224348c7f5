package wrap_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"github.com/sioware/sioware/wrap"
)

// A sequence is what a client sends: a string is a text frame, []byte a binary one.
type sequence struct {
	name   string
	frames []any
	ok     bool // false: the last frame is refused
}

const placeholder = `{"_placeholder":true,"num":0}`

func nested(depth int) string {
	return `2["x",` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "]"
}

// corpus holds malformed frames and, for contrast, odd ones that are legal.
var corpus = []sequence{
	// Packets without the payload that their type needs: what ends the bare host.
	{"event alone", []any{`2`}, false},
	{"event of a namespace alone", []any{`2/admin,`}, false},
	{"event of a namespace without comma", []any{`2/admin`}, false},
	{"event with an id alone", []any{`21`}, false},
	{"binary event alone", []any{`50-`}, false},
	{"binary event with an id alone", []any{`50-1`}, false},
	{"ack alone", []any{`3`}, false},
	{"ack with an id alone", []any{`31`}, false},
	{"ack of a namespace alone", []any{`3/admin,7`}, false},
	{"binary ack alone", []any{`60-1`}, false},

	// Payloads of the wrong shape.
	{"event list empty", []any{`2[]`}, false},
	{"event object", []any{`2{}`}, false},
	{"event string", []any{`2"x"`}, false},
	{"event null", []any{`2null`}, false},
	{"event true", []any{`2true`}, false},
	{"event number is an id", []any{`2 1`}, false},
	{"event name number", []any{`2[1]`}, false},
	{"event name null", []any{`2[null]`}, false},
	{"event name list", []any{`2[["x"]]`}, false},
	{"event name placeholder", []any{`51-[` + placeholder + `]`}, false},
	{"event name connect", []any{`2["connect"]`}, false},
	{"event name connect_error", []any{`2["connect_error"]`}, false},
	{"event name disconnect", []any{`2["disconnect"]`}, false},
	{"event name disconnecting", []any{`2["disconnecting"]`}, false},
	{"event name escaped connect", []any{`2["\u0063onnect"]`}, false},
	{"binary event name connect", []any{`51-["connect",` + placeholder + `]`}, false},
	{"event name empty", []any{`2[""]`}, true},
	{"event name error", []any{`2["error"]`}, true},
	{"event name newListener", []any{`2["newListener"]`}, true},
	{"event name with NUL", []any{"2[\"\\u0000\"]"}, true},
	{"raw NUL in the name", []any{"2[\"\x00\"]"}, false},
	{"NUL frame", []any{"\x00"}, false},
	{"NUL after the type", []any{"2\x00"}, false},
	{"invalid UTF-8 in the name", []any{"2[\"\xff\xfe\"]"}, true},
	{"invalid UTF-8 payload", []any{"2\xff\xfe"}, false},
	{"invalid UTF-8 namespace", []any{"2/\xff\xfe,[\"x\"]"}, true},
	{"ack object", []any{`31{}`}, false},
	{"ack string", []any{`31"x"`}, false},
	{"ack without id", []any{`3[]`}, false},
	{"ack of an unknown id", []any{`31[]`}, true},
	{"ack id of 20 digits", []any{`3` + strings.Repeat("9", 20) + `[]`}, false},
	{"ack id of uint64", []any{`318446744073709551615[]`}, true},
	{"event id of 30 digits", []any{`2` + strings.Repeat("9", 30) + `["x"]`}, false},
	{"event id leading zeros", []any{`2000000000000000000000000001["x"]`}, true},
	{"event id negative", []any{`2-1["x"]`}, false},
	{"connect list", []any{`0[]`}, false},
	{"connect string", []any{`0"x"`}, false},
	{"connect null", []any{`0null`}, false},
	{"connect cut", []any{`0nul`}, false},
	{"connect true", []any{`0true`}, false},
	{"connect with id", []any{`05{}`}, true},
	{"connect empty namespace", []any{`0/,`}, true},
	{"disconnect object", []any{`1{}`}, false},
	{"disconnect null", []any{`1null`}, true},
	{"connect error object", []any{`4{}`}, false},
	{"connect error string", []any{`4"x"`}, false},
	{"connect error alone", []any{`4`}, false},
	{"unknown type", []any{`7`}, false},
	{"unknown type with payload", []any{`7["x"]`}, false},
	{"letter", []any{`x`}, false},
	{"empty frame", []any{``}, false},
	{"event not JSON", []any{`2[x]`}, false},
	{"event cut", []any{`2["x"`}, false},
	{"event cut in a string", []any{`2["x`}, false},
	{"event cut in an escape", []any{`2["x\`}, false},
	{"white space payload", []any{`2 `}, false},

	// Data after the payload.
	{"garbage after event", []any{`2["x"]xyz`}, false},
	{"bracket after event", []any{`2["x"]]`}, false},
	{"second event", []any{`2["x"]["y"]`}, false},
	{"NUL after event", []any{"2[\"x\"]\x00"}, false},
	{"garbage after a tricky string", []any{`2["x","\\\"]\\"]1`}, false},
	{"garbage after connect", []any{`0{}{}`}, false},
	{"garbage after disconnect", []any{`1null1`}, false},
	{"garbage after binary event", []any{`51-["x",` + placeholder + `],`}, false},
	{"white space after event", []any{"2[\"x\"] \r\n\t"}, true},
	{"brackets in strings", []any{`2["]","{","\"]","\\"]`}, true},

	// Attachments.
	{"binary type alone", []any{`5`}, false},
	{"no count", []any{`5-`}, false},
	{"no count with payload", []any{`5-["x"]`}, false},
	{"count alone", []any{`51-`}, false},
	{"count without dash", []any{`51["x"]`}, false},
	{"count negative", []any{`5-1-["x"]`}, false},
	{"count signed", []any{`5+1-["x",` + placeholder + `]`}, false},
	{"count hexadecimal", []any{`50x1-["x"]`}, false},
	{"count of 18 digits", []any{`5` + strings.Repeat("9", 18) + `-["x"]`}, false},
	{"count beyond uint64", []any{`5` + strings.Repeat("9", 40) + `-["x"]`}, false},
	{"count not referenced", []any{`51-["x"]`}, false},
	{"count 1,024", []any{manyAttachments(1024)}, true},
	{"count 1,025", []any{manyAttachments(1025)}, false},
	{"no attachment", []any{`50-["x"]`, `2["y"]`}, true},
	{"no attachment, then binary", []any{`50-["x"]`, []byte("x")}, false},
	{"no attachment but a placeholder", []any{`50-["x",` + placeholder + `]`}, true},
	{"text instead of the attachment", []any{`51-["x",` + placeholder + `]`, `2["y"]`}, false},
	{"binary without header", []any{[]byte("x")}, false},
	{"empty binary without header", []any{[]byte{}}, false},
	{"binary after an event", []any{`2["x"]`, []byte("x")}, false},
	{"one attachment too many", []any{`51-["x",` + placeholder + `]`, []byte("a"), []byte("b")}, false},
	{"placeholder 1 of 1", []any{`51-["x",{"_placeholder":true,"num":1}]`, []byte("a")}, false},
	{"placeholder -1", []any{`51-["x",{"_placeholder":true,"num":-1}]`, []byte("a")}, false},
	{"placeholder 1e18", []any{`51-["x",{"_placeholder":true,"num":1e18}]`, []byte("a")}, false},
	{"placeholder -1e18", []any{`51-["x",{"_placeholder":true,"num":-1e18}]`, []byte("a")}, false},
	{"placeholder 0.5", []any{`51-["x",{"_placeholder":true,"num":0.5}]`, []byte("a")}, true},
	{"placeholder text", []any{`51-["x",{"_placeholder":true,"num":"0"}]`, []byte("a")}, true},
	{"placeholder used twice", []any{`51-["x",` + placeholder + `,` + placeholder + `]`, []byte("a")}, true},
	{"placeholder in an event", []any{`2["x",` + placeholder + `]`}, true},
	{"binary ack without id", []any{`61-[` + placeholder + `]`}, false},
	{"empty attachment", []any{`51-["x",` + placeholder + `]`, []byte{}}, true},

	// Size and depth.
	{"depth 5,000", []any{nested(5_000)}, true},
	{"depth 20,000", []any{nested(20_000)}, false},
	{"open brackets", []any{`2["x",` + strings.Repeat("[", 500_000)}, false},
	{"event name of 900 kB", []any{`2["` + strings.Repeat("n", 900_000) + `"]`}, true},
	{"namespace of 900 kB", []any{`2/` + strings.Repeat("n", 900_000) + `,["x"]`}, false},
	{"namespace of 900 kB without comma", []any{`0/` + strings.Repeat("n", 900_000)}, false},
	{"namespace of 1,024 bytes", []any{`2/` + strings.Repeat("n", 1023) + `,["x"]`}, true},
	{"digits of 900 kB", []any{`2` + strings.Repeat("1", 900_000)}, false},
	{"count of 900 kB", []any{`5` + strings.Repeat("1", 900_000)}, false},
	{"garbage of 900 kB", []any{strings.Repeat("\xa5", 900_000)}, false},
}

func manyAttachments(n int) string {
	return fmt.Sprintf(`5%d-["x"%s]`, n, strings.Repeat(`,`+placeholder, n))
}

// FuzzParser feeds sequences of frames to the wrapped and to the stock decoder. Frames
// are separated by 0x1e; one that starts with 'b' is binary. Up to the first refusal, on
// which the host closes the client, both must emit the same; what is refused must be
// illegal by the rules as restated here.
func FuzzParser(f *testing.F) {
	for _, c := range corpus {
		var seed []byte
		for i, frame := range c.frames {
			if i > 0 {
				seed = append(seed, 0x1e)
			}
			switch frame := frame.(type) {
			case string:
				seed = append(append(seed, 't'), frame...)
			case []byte:
				seed = append(append(seed, 'b'), frame...)
			}
		}
		if len(seed) < 4096 {
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, stock := wrap.Parser(nil).NewDecoder(), parser.NewDecoder()
		got, want := received(d), received(stock)
		for chunk := range bytes.SplitSeq(data, []byte{0x1e}) {
			if len(chunk) == 0 {
				continue
			}
			var frame any = string(chunk[1:])
			if chunk[0] == 'b' {
				frame = chunk[1:]
			}
			*got, *want = nil, nil
			stockErr := add(stock, frame)
			err := add(d, frame)
			for _, p := range *got {
				if !legal(p) {
					t.Fatalf("%q: emitted %+v", frame, p)
				}
			}
			if err == nil {
				if stockErr != nil || !reflect.DeepEqual(*got, *want) {
					t.Fatalf("%q: got %+v, want %+v (%v)", frame, *got, *want, stockErr)
				}
				if len(*want) > 0 && (*want)[0].Attachments != nil {
					// Its state is broken now, which is a fault of its own.
					stock = parser.NewDecoder()
					want = received(stock)
				}
				continue
			}
			if len(*got) > 0 {
				t.Fatalf("%q: refused (%v), but emitted %+v", frame, err, *got)
			}
			text, _ := frame.(string) // up to 1,024 bytes: a name of a namespace may be longer than allowed
			if stockErr == nil && !excess(text) && len(text) <= 1024 && (len(*want) == 0 || legal((*want)[0])) {
				t.Fatalf("%q: refused (%v), the stock decoder emits %+v", frame, err, *want)
			}
			return
		}
	})
}

// legal restates which packets the host survives.
func legal(p *parser.Packet) bool {
	list, isList := p.Data.([]any)
	switch p.Type {
	case parser.EVENT, parser.BINARY_EVENT:
		if len(list) == 0 {
			return false
		}
		switch list[0] {
		case "connect", "connect_error", "disconnect", "disconnecting":
			return false
		}
		_, ok := list[0].(string)
		return ok
	case parser.ACK, parser.BINARY_ACK:
		return isList && p.Id != nil
	case parser.CONNECT:
		_, isMap := p.Data.(map[string]any)
		return isMap || p.Data == nil
	case parser.DISCONNECT:
		return p.Data == nil
	}
	return false
}

var textFrame = regexp.MustCompile(`(?s)^(?:[0-4]|[56]([0-9]+)-)((?:/[^,]*,|/[^,]*$)?([0-9]*)(.*))$`)

// excess restates which text frames are refused although the stock decoder accepts them:
// too many attachments, a binary ack without id, or data after the payload.
func excess(frame string) bool {
	m := textFrame.FindStringSubmatch(frame)
	if m == nil {
		return false
	}
	if m[1] != "" {
		n, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil || n > 1024 || n > uint64(len(m[2])/len(placeholder)) {
			return true
		}
	}
	if frame[0] == '6' && m[3] == "" {
		return true
	}
	dec := json.NewDecoder(strings.NewReader(m[4]))
	var v any
	if dec.Decode(&v) != nil {
		return false
	}
	return len(bytes.TrimLeft([]byte(m[4])[dec.InputOffset():], " \t\r\n")) > 0
}
