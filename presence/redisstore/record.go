package redisstore

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sioware/sioware/presence"
)

var (
	errFormat  = errors.New("malformed")
	errVersion = errors.New("unknown version")
)

// pack returns a list of fields, each preceded by its length.
func pack(fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(strconv.Itoa(len(f)))
		b.WriteByte(':')
		b.WriteString(f)
	}
	return b.String()
}

// unpack is the inverse of pack.
func unpack(s string) ([]string, error) {
	var fields []string
	for s != "" {
		length, rest, ok := strings.Cut(s, ":")
		n, err := strconv.ParseUint(length, 10, 31)
		if !ok || err != nil || n > uint64(len(rest)) {
			return nil, errFormat
		}
		fields = append(fields, rest[:n])
		s = rest[n:]
	}
	return fields, nil
}

// reader reads fields of other kinds. It keeps an error.
type reader struct{ err error }

func (r *reader) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		r.err = errFormat
	}
	return n
}

// time reads microseconds since 1970; 0 is the zero time.
func (r *reader) time(s string) time.Time {
	us := r.number(s)
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}

// The numbers of fields of a record before those of the devices, and of a device.
const (
	recordFields = 5
	deviceFields = 6
)

// parseRecord reads what lib.lua has saved for an entity.
func parseRecord(name, s string) (presence.Record, error) {
	room, user, ok := parseEntity(name)
	f, err := unpack(s)
	if !ok || err != nil || len(f) < recordFields+deviceFields || (len(f)-recordFields)%deviceFields != 0 {
		return presence.Record{}, errFormat
	}
	var r reader
	record := presence.Record{Room: room, User: user, Version: r.number(f[0]), Seen: r.time(f[2])}
	_, n := r.number(f[1]), r.number(f[4])
	devices := make([]presence.Device, 0, len(f)/deviceFields)
	for f := f[recordFields:]; len(f) > 0; f = f[deviceFields:] {
		r.number(f[3])
		devices = append(devices, r.device(f[0], f[2], f[4], f[5]))
	}
	switch {
	case r.err != nil || record.Version == 0:
		return presence.Record{}, errFormat
	case n == 0 && len(devices) == 1:
		record.Last = devices[0]
	case n > 0 && n == uint64(len(devices)):
		record.Devices = devices
	default:
		return presence.Record{}, errFormat
	}
	return record, nil
}

func (r *reader) device(id, since, away, meta string) presence.Device {
	d := presence.Device{ID: id, Away: away == "1", Since: r.time(since)}
	if meta != "" {
		d.Meta = json.RawMessage(meta)
	}
	return d
}

// message is what is published.
type message struct {
	partition       int
	version, before uint64 // of this message, and of the previous one in the partition
	change          *presence.Change
	room            string // of the evictions
	evictions       []presence.Eviction
	lost            bool // the partition has lost data
}

// format is the format of messages. A node that does not know it reports that events
// were lost.
const format = "1"

// decode reads a message.
func decode(s string) (message, error) {
	f, err := unpack(s)
	if err != nil {
		return message{}, err
	}
	if len(f) == 0 || f[0] != format {
		return message{}, errVersion
	}
	if len(f) < 5 {
		return message{}, errFormat
	}
	var r reader
	m := message{version: r.number(f[2]), before: r.number(f[3])}
	if p := r.number(f[1]); p < partitions {
		m.partition = int(p)
	} else {
		r.err = errFormat
	}
	switch kind, f := f[4], f[5:]; {
	case kind == "c" && len(f) == 11:
		m.change = r.change(m.version, f)
	case kind == "e" && len(f) > 3:
		var user string
		m.room, user = r.entity(f[0])
		for _, device := range f[3:] {
			m.evictions = append(m.evictions, presence.Eviction{User: user, Device: device, Cause: presence.Cause(f[1]), Reason: f[2]})
		}
	case kind == "l" && len(f) == 0:
		m.lost = true
	default:
		r.err = errFormat
	}
	if r.err != nil {
		return message{}, r.err
	}
	return m, nil
}

func (r *reader) entity(s string) (room, user string) {
	room, user, ok := parseEntity(s)
	if !ok {
		r.err = errFormat
	}
	return room, user
}

func (r *reader) change(version uint64, f []string) *presence.Change {
	room, user := r.entity(f[1])
	c := &presence.Change{
		Kind: presence.Kind(r.number(f[0])), Room: room, User: user, Version: version,
		Cause: presence.Cause(f[2]), At: r.time(f[3]), Devices: int(r.number(f[4])), Away: f[10] == "1", Seen: r.time(f[5]),
	}
	if f[6] != "" {
		c.Device = r.device(f[6], f[7], f[8], f[9])
	}
	if c.Kind < presence.Online || c.Kind > presence.Updated {
		r.err = errFormat
	}
	return c
}
