package wrap_test

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"github.com/sioware/sioware/wrap"
)

// received collects what a decoder emits.
func received(d parser.Decoder) *[]*parser.Packet {
	packets := new([]*parser.Packet)
	_ = d.On("decoded", func(args ...any) { *packets = append(*packets, args[0].(*parser.Packet)) })
	return packets
}

// add passes a frame in the type that the host uses.
func add(d parser.Decoder, frame any) error {
	switch f := frame.(type) {
	case string:
		return d.Add(types.NewStringBufferString(f))
	case []byte:
		return d.Add(types.NewBytesBuffer(bytes.Clone(f)))
	default:
		return d.Add(f)
	}
}

// embedding is a parser whose decoders embed the stock one: it is treated like a foreign
// one.
type embedding struct{ parser.Parser }

func (embedding) NewDecoder() parser.Decoder { return struct{ parser.Decoder }{parser.NewDecoder()} }

var decoders = map[string]func() parser.Decoder{
	"ours":   wrap.Parser(nil).NewDecoder,
	"others": wrap.Parser(embedding{parser.NewParser()}).NewDecoder,
}

func TestParserCorpus(t *testing.T) {
	t.Parallel()
	for name, decoder := range decoders {
		for _, c := range corpus {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				d, stock := decoder(), parser.NewDecoder()
				got, want := received(d), received(stock)
				for i, frame := range c.frames {
					_ = add(stock, frame)
					err := add(d, frame)
					last := i == len(c.frames)-1
					if err != nil && (c.ok || !last) {
						t.Fatalf("frame %d: got error %v, want none", i, err)
					}
					if text, _ := frame.(string); err == nil && last && !c.ok && (name == "ours" || !excess(text)) {
						t.Fatal("accepted, want an error")
					} else if err == nil && last && !c.ok {
						return // data after the payload, which foreign decoders may accept
					}
				}
				if c.ok && !reflect.DeepEqual(*got, *want) && c.name != "no attachment" {
					t.Errorf("got %+v, want %+v as from the stock decoder", *got, *want)
				}
				if n := len(*got); !c.ok && n > len(c.frames)-1 {
					t.Errorf("a refused frame was emitted: %d packets of %d frames", n, len(c.frames))
				}
			})
		}
	}
}

// A packet without attachments must leave nothing behind: the stock decoder
// refuses the next text frame and keeps every binary one.
func TestParserWithoutAttachments(t *testing.T) {
	t.Parallel()
	stock := parser.NewDecoder()
	if err := add(stock, `50-["x"]`); err != nil {
		t.Fatal(err)
	}
	if err := add(stock, `2["y"]`); err == nil {
		t.Error("the stock decoder has been mended: drop the workaround")
	}
	for name, decoder := range decoders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := decoder()
			got := received(d)
			for _, frame := range []string{`50-["x"]`, `2["y"]`, `60-1[]`, `50-["z"]`} {
				if err := add(d, frame); err != nil {
					t.Fatalf("%s: %v", frame, err)
				}
			}
			if len(*got) != 4 {
				t.Errorf("got %d packets, want 4", len(*got))
			}
		})
	}
}

func TestParserBoundsBufferedBytes(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	header := manyAttachments(1024)
	for _, kind := range []struct {
		name  string
		frame func() any
	}{
		{"BytesBuffer", func() any { return types.NewBytesBuffer(make([]byte, size)) }},
		{"bytes", func() any { return make([]byte, size) }},
		{"reader", func() any { return io.LimitReader(zeros{}, size) }},
	} {
		for name, decoder := range decoders {
			t.Run(kind.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				d := decoder()
				if err := add(d, header); err != nil {
					t.Fatal(err)
				}
				for i := range 16 {
					if err := d.Add(kind.frame()); err != nil {
						t.Fatalf("attachment %d: %v", i, err)
					}
				}
				if err := d.Add(kind.frame()); err == nil {
					t.Error("17 MiB accepted, want a refusal after 16 MiB")
				}
				// The refusal drops the packet; the decoder starts anew.
				if err := add(d, `2["x"]`); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for name, decoder := range decoders {
		t.Run("a single large one passes/"+name, func(t *testing.T) {
			t.Parallel()
			d := decoder()
			got := received(d)
			if err := add(d, `51-["x",`+placeholder+`]`); err != nil {
				t.Fatal(err)
			}
			if err := d.Add(types.NewBytesBuffer(make([]byte, 20<<20))); err != nil || len(*got) != 1 {
				t.Errorf("got %v and %d packets, want one packet", err, len(*got))
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestParserShapes(t *testing.T) {
	t.Parallel()
	id := new(uint64)
	event := func(data any) *parser.Packet { return &parser.Packet{Type: parser.EVENT, Nsp: "/", Data: data} }
	var typedNil *parser.Packet
	for _, c := range []struct {
		name string
		args []any
		ok   bool
	}{
		{"event", []any{event([]any{"x", 1})}, true},
		{"event with more arguments", []any{event([]any{"x"}), 1, nil}, true},
		{"event of []string", []any{event([]string{"x"})}, false},
		{"event name of bytes", []any{event([]any{[]byte("x")})}, false},
		{"event nil list", []any{event([]any(nil))}, false},
		{"event reserved", []any{event([]any{"disconnect"})}, false},
		{"binary event", []any{&parser.Packet{Type: parser.BINARY_EVENT, Data: []any{"x", []byte{1}}}}, true},
		{"binary event number", []any{&parser.Packet{Type: parser.BINARY_EVENT, Data: 1}}, false},
		{"ack", []any{&parser.Packet{Type: parser.ACK, Id: id, Data: []any{}}}, true},
		{"ack nil data", []any{&parser.Packet{Type: parser.ACK, Id: id}}, false},
		{"ack nil id", []any{&parser.Packet{Type: parser.ACK, Data: []any{}}}, false},
		{"binary ack nil id", []any{&parser.Packet{Type: parser.BINARY_ACK, Data: []any{}}}, false},
		{"binary ack map", []any{&parser.Packet{Type: parser.BINARY_ACK, Id: id, Data: map[string]any{}}}, false},
		{"connect", []any{&parser.Packet{Type: parser.CONNECT}}, true},
		{"connect map", []any{&parser.Packet{Type: parser.CONNECT, Data: map[string]any{"a": 1}}}, true},
		{"connect other map", []any{&parser.Packet{Type: parser.CONNECT, Data: map[any]any{}}}, false},
		{"disconnect", []any{&parser.Packet{Type: parser.DISCONNECT}}, true},
		{"disconnect data", []any{&parser.Packet{Type: parser.DISCONNECT, Data: false}}, false},
		{"connect error", []any{&parser.Packet{Type: parser.CONNECT_ERROR, Data: map[string]any{}}}, false},
		{"type zero", []any{&parser.Packet{Data: []any{"x"}}}, false},
		{"type 7", []any{&parser.Packet{Type: '7', Data: []any{"x"}}}, false},
		{"packet by value", []any{*event([]any{"x"})}, false},
		{"typed nil", []any{typedNil}, false},
		{"nil", []any{nil}, false},
		{"no argument", []any{}, false},
		{"string", []any{"x"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := wrap.Parser(&fake{emit: [][]any{c.args}}).NewDecoder()
			var got [][]any
			_ = d.On("decoded", func(args ...any) { got = append(got, args) })
			err := d.Add([]byte("x"))
			if (err == nil) != c.ok {
				t.Fatalf("got error %v, want ok %t", err, c.ok)
			}
			if want := [][]any{c.args}; c.ok && !reflect.DeepEqual(got, want) || !c.ok && got != nil {
				t.Errorf("got %v", got)
			}
		})
	}
}

// Every type that the stock decoder accepts; the frame is not consumed early.
func TestParserFrameTypes(t *testing.T) {
	t.Parallel()
	const frame = `42/a,7["x",{"k":[1]}]`
	reader := strings.NewReader(frame)
	_, _ = reader.ReadByte()
	buffer := types.NewStringBufferString(frame)
	_, _ = buffer.ReadByte()
	for _, data := range []any{frame[1:], reader, buffer} {
		d := wrap.Parser(nil).NewDecoder()
		got := received(d)
		if err := d.Add(data); err != nil || len(*got) != 1 || (*got)[0].Nsp != "/a" || *(*got)[0].Id != 7 {
			t.Errorf("%T: got %v, %v", data, *got, err)
		}
	}
}

// The host removes its listener and destroys the decoder from within "decoded",
// and calls Add and Destroy from several goroutines.
func TestParserConcurrency(t *testing.T) {
	t.Parallel()
	d := wrap.Parser(nil).NewDecoder()
	var listener events.Listener
	calls := 0
	listener = func(...any) {
		calls++
		d.RemoveListener("decoded", listener)
		d.Destroy()
	}
	_ = d.On("decoded", listener)
	if err := add(d, `2["x"]`); err != nil || calls != 1 {
		t.Fatalf("got %v and %d calls", err, calls)
	}
	if err := add(d, `2["x"]`); err == nil {
		t.Error("a destroyed decoder accepts a frame")
	}

	d = wrap.Parser(nil).NewDecoder()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				_ = add(d, `51-["x",`+placeholder+`]`)
				_ = add(d, []byte("a"))
				_ = add(d, `50-["x"]`)
				_ = add(d, `2`)
			}
		})
	}
	wg.Go(func() { d.Destroy() })
	wg.Wait()
}

// The wrapped decoder must be no slower than the stock one, which checks less.
func BenchmarkParser(b *testing.B) {
	frames := map[string]string{
		"small":   `2["message",{"room":"lobby","text":"hello, world"}]`,
		"ack":     `31["ok"]`,
		"numbers": `2["n",[` + strings.Repeat("12345.5,", 1000) + `1]]`,
		"objects": `2["n",[` + strings.Repeat(`{"id":17,"name":"x","tags":["a","b"]},`, 200) + `{}]]`,
		"text16k": `2["n","` + strings.Repeat("hello world ", 1400) + `"]`,
	}
	for name, frame := range frames {
		for _, p := range []struct {
			name string
			p    parser.Parser
		}{{"stock", parser.NewParser()}, {"wrapped", wrap.Parser(nil)}} {
			b.Run(name+"/"+p.name, func(b *testing.B) {
				d := p.p.NewDecoder()
				_ = d.On("decoded", func(...any) {})
				b.ReportAllocs()
				for b.Loop() {
					if err := d.Add(types.NewStringBufferString(frame)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
