package wrap_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"github.com/sioware/sioware/wrap"
)

// fake is a parser whose decoder emits what it is told, as msgpack ones may.
type fake struct {
	parser.Parser
	emit [][]any
	err  error
	boom any
}

type fakeDecoder struct {
	events.EventEmitter
	*fake
}

func (f *fake) NewDecoder() parser.Decoder { return &fakeDecoder{events.New(), f} }
func (d *fakeDecoder) Destroy()            {}
func (d *fakeDecoder) Add(any) error {
	if d.boom != nil {
		panic(d.boom)
	}
	for _, args := range d.emit {
		d.Emit("decoded", args...)
	}
	return d.err
}

func TestParserForeignDecoder(t *testing.T) {
	t.Parallel()
	packet := func(name string) []any {
		return []any{&parser.Packet{Type: parser.EVENT, Nsp: "/", Data: []any{name}}}
	}
	t.Run("several packets keep their order", func(t *testing.T) {
		t.Parallel()
		d := wrap.Parser(&fake{emit: [][]any{packet("a"), packet("b"), packet("c")}}).NewDecoder()
		got := received(d)
		if err := d.Add("x"); err != nil || len(*got) != 3 || (*got)[2].Data.([]any)[0] != "c" {
			t.Errorf("got %v, %v", *got, err)
		}
	})
	t.Run("one bad packet spoils the frame", func(t *testing.T) {
		t.Parallel()
		d := wrap.Parser(&fake{emit: [][]any{packet("a"), packet("connect")}}).NewDecoder()
		got := received(d)
		if err := d.Add("x"); err == nil || len(*got) != 0 {
			t.Errorf("got %v, %v", *got, err)
		}
	})
	t.Run("errors are passed on", func(t *testing.T) {
		t.Parallel()
		want := errors.New("broken")
		d := wrap.Parser(&fake{emit: [][]any{packet("a")}, err: want}).NewDecoder()
		got := received(d)
		if err := d.Add("x"); !errors.Is(err, want) || len(*got) != 0 {
			t.Errorf("got %v, %v", *got, err)
		}
	})
	t.Run("text that is not the stock format is left alone", func(t *testing.T) {
		t.Parallel()
		d := wrap.Parser(&fake{emit: [][]any{packet("a")}}).NewDecoder()
		for _, frame := range []any{`2["a"]#checksum`, `{"type":2}`, `5 apples`, "", nil, 7} {
			if err := d.Add(frame); err != nil {
				t.Errorf("%v: %v", frame, err)
			}
		}
	})
	t.Run("panic", func(t *testing.T) {
		t.Parallel()
		f := &fake{emit: [][]any{packet("a")}, boom: "oops"}
		d := wrap.Parser(f).NewDecoder()
		if err := d.Add("x"); err == nil || !strings.Contains(err.Error(), "oops") {
			t.Errorf("got %v, want the panic as an error", err)
		}
		f.boom = nil
		if err := d.Add("x"); err != nil {
			t.Errorf("after a panic: %v", err)
		}
	})
	t.Run("typed nil frame", func(t *testing.T) {
		t.Parallel()
		if err := wrap.Parser(nil).NewDecoder().Add((*types.StringBuffer)(nil)); err == nil {
			t.Error("got no error")
		}
	})
}

func TestParserWrapsOnce(t *testing.T) {
	t.Parallel()
	p := wrap.Parser(nil)
	if wrap.Parser(p) != p {
		t.Error("a wrapped parser is wrapped again")
	}
	e := wrap.Parser(parser.NewParser()).NewEncoder()
	if got, want := reflect.TypeOf(e), reflect.TypeOf(parser.NewEncoder()); got != want {
		t.Errorf("encoder is %v, want %v", got, want)
	}
}
