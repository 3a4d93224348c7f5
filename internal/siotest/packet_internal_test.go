package siotest

import (
	"reflect"
	"testing"
)

func TestDecodePacket(t *testing.T) {
	t.Parallel()
	id := func(n uint64) *uint64 { return &n }
	for raw, want := range map[string]Packet{
		"":                 {Namespace: "/"},
		"0":                {Type: TypeConnect, Namespace: "/"},
		"0/a,":             {Type: TypeConnect, Namespace: "/a"},
		"0/a":              {Type: TypeConnect, Namespace: "/a"},
		`0{"sid":"x"}`:     {Type: TypeConnect, Namespace: "/", Data: map[string]any{"sid": "x"}},
		`2["e",1]`:         {Type: TypeEvent, Namespace: "/", Data: []any{"e", 1.0}},
		`2/a,12["e"]`:      {Type: TypeEvent, Namespace: "/a", ID: id(12), Data: []any{"e"}},
		"37[]":             {Type: TypeAck, Namespace: "/", ID: id(7), Data: []any{}},
		`4"no"`:            {Type: TypeConnectError, Namespace: "/", Data: "no"},
		"2{":               {Type: TypeEvent, Namespace: "/"},
		"5x":               {Type: TypeBinaryEvent, Namespace: "/"},
		"2" + bigID + "[]": {Type: TypeEvent, Namespace: "/"},
	} {
		want.Raw = raw
		if got, _ := decodePacket(raw); !reflect.DeepEqual(got, want) {
			t.Errorf("decodePacket(%q) = %#v, want %#v", raw, got, want)
		}
	}
	if _, n := decodePacket(`52-/a,["e"]`); n != 2 {
		t.Errorf("attachments = %d, want 2", n)
	}
}

// bigID does not fit into the id of a packet.
const bigID = "99999999999999999999"

func TestPacketAccessors(t *testing.T) {
	t.Parallel()
	for _, p := range []Packet{{}, {Type: TypeEvent}, {Type: TypeEvent, Data: []any{}}, {Type: TypeEvent, Data: "x"}} {
		if p.Event() != "" || p.Args() != nil {
			t.Errorf("%#v has event %q and args %v", p, p.Event(), p.Args())
		}
	}
	p := Packet{Type: TypeBinaryEvent, Raw: "51-[]", Binary: [][]byte{{1}}}
	if got := p.String(); got != "51-[] +1 binary" {
		t.Errorf("String() = %q", got)
	}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	frames := []frame{{data: []byte("4ü😀")}, {data: []byte{0, 0xFF}, binary: true}, {data: []byte("2")}}
	for eio, want := range map[int]string{
		4: "4ü😀\x1ebAP8=\x1e2",
		3: "4:4ü😀6:b4AP8=1:2",
	} {
		body := encodePayload(eio, frames)
		if body != want {
			t.Errorf("EIO %d: payload %q, want %q", eio, body, want)
		}
		got, err := decodePayload(eio, body)
		if err != nil || !reflect.DeepEqual(got, frames) {
			t.Errorf("EIO %d: decoded %v, %v", eio, got, err)
		}
	}
	for _, body := range []string{"4", "x:4", "9:4", "1:😀", "-1:4", "2:b4x", "1:b"} {
		if frames, err := decodePayload(3, body); err == nil && body != "1:b" {
			t.Errorf("payload %q decodes to %v", body, frames)
		}
	}
}
