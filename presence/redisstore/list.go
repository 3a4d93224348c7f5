package redisstore

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/presence"
)

// maxPage is how many members List and Scan return at a time.
const maxPage = 1000

var errCursor = errors.New("redisstore: not a cursor of this store")

// span is where members are: in the partitions from first to before end, and in each of
// them between the entities from and to, in the syntax of ZRANGEBYLEX.
type span struct {
	first, end int
	from, to   string
}

// everything is where all members are.
var everything = span{0, partitions, "-", "+"}

// has reports whether an entity of a cursor, which may be "", is in the span: otherwise
// the cursor would reveal other rooms.
func (s span) has(name string) bool {
	return name == "" || strings.HasPrefix(name, "m") && (s.from == "-" || strings.HasPrefix(name, s.from[1:]))
}

// spanOf returns where the members of a room are, and false if it cannot have any.
func spanOf(room string) (span, bool) {
	from, to := rangeOf(room)
	if room == "" {
		return span{0, partitions, from, to}, true
	}
	p := partition(room, "")
	return span{p, p + 1, from, to}, strings.IndexByte(room, 0) < 0
}

// List implements [presence.Store]. Members are in the order of their IDs, those of the
// room "" in each partition, and a page has up to 1,000. It takes one round trip, two for
// the room "".
func (s *Store) List(ctx context.Context, room, cursor string, n int) ([]presence.Record, string, error) {
	where, ok := spanOf(room)
	if !ok {
		return nil, "", nil
	}
	return s.list(ctx, where, cursor, n)
}

// Scan implements [presence.Store]. A page has up to 1,000 members. It takes two round
// trips.
func (s *Store) Scan(ctx context.Context, cursor string, n int) ([]presence.Record, string, error) {
	return s.list(ctx, everything, cursor, n)
}

// Count implements [presence.Store]. It takes one round trip.
func (s *Store) Count(ctx context.Context, room string) (int, error) {
	where, ok := spanOf(room)
	if !ok {
		return 0, nil
	}
	counts, err := s.counts(ctx, where)
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum, err
}

// list returns up to n members of a span, and the cursor for the next page.
func (s *Store) list(ctx context.Context, where span, cursor string, n int) ([]presence.Record, string, error) {
	after := "" // an entity in the first partition
	if cursor != "" {
		number, rest, ok := strings.Cut(cursor, ":")
		p, err := strconv.Atoi(number)
		if !ok || err != nil || p < where.first || p >= where.end || !where.has(rest) {
			return nil, "", errCursor
		}
		where.first, after = p, rest
	}
	n = min(max(n, 1), maxPage)
	pages := []page{{partition: where.first, n: n}}
	if where.end-where.first > 1 {
		// Most partitions may be empty: ask only those that are needed.
		counts, err := s.counts(ctx, where)
		if err != nil {
			return nil, "", err
		}
		pages = plan(where.first, counts, n)
	}
	for i := range pages {
		p := &pages[i]
		p.from, p.to = where.from, where.to
		if p.partition == where.first && after != "" {
			p.from = "(" + after
		}
	}
	if err := s.read(ctx, pages); err != nil {
		return nil, "", err
	}
	var records []presence.Record
	for _, p := range pages {
		for i, name := range p.names {
			if r, err := parseRecord(name, p.records[i]); err == nil {
				records = append(records, r)
			}
			// The page is full, or this partition may have more.
			if len(records) == n || i+1 == p.n {
				return records, strconv.Itoa(p.partition) + ":" + name, nil
			}
		}
	}
	if next := pages[len(pages)-1].partition + 1; next < where.end {
		return records, strconv.Itoa(next) + ":", nil
	}
	return records, "", nil
}

// page is what is asked of a partition, and its answer.
type page struct {
	partition int
	n         int
	from, to  string
	names     []string
	records   []string
}

// plan returns what to ask of partitions for n members, given how many members they have.
// It reaches to the last partition if there are fewer. Each is asked for as many as there
// is room for on the page: some may have come since they were counted, and none may be
// left out.
func plan(first int, counts []int, n int) []page {
	var pages []page
	for i, count := range counts {
		last := i+1 == len(counts)
		if count > 0 || last {
			pages = append(pages, page{partition: first + i, n: n})
		}
		if n -= count; n <= 0 {
			break
		}
	}
	return pages
}

// read reads pages, in one round trip.
func (s *Store) read(ctx context.Context, pages []page) error {
	calls := make([]call, len(pages))
	for i, p := range pages {
		calls[i] = call{&listScript, s.keys(p.partition)[:2], []any{p.from, p.to, p.n}}
	}
	result := new([][]string)
	err := s.do(ctx, func(ctx context.Context) error {
		cmds, err := s.exec(ctx, calls...)
		if err != nil {
			return err
		}
		replies := make([][]string, len(cmds))
		for i, c := range cmds {
			if replies[i], err = texts(c); err == nil && len(replies[i])%2 != 0 {
				err = errReply
			}
			if err != nil {
				return err
			}
		}
		*result = replies
		return nil
	})
	if err != nil {
		return err
	}
	for i, reply := range *result {
		for ; len(reply) > 0; reply = reply[2:] {
			pages[i].names = append(pages[i].names, reply[0])
			pages[i].records = append(pages[i].records, reply[1])
		}
	}
	return nil
}

// counts returns how many members the partitions of a span have.
func (s *Store) counts(ctx context.Context, where span) ([]int, error) {
	var calls []call
	for p := where.first; p < where.end; p++ {
		calls = append(calls, call{args: []any{"ZLEXCOUNT", s.keys(p)[1], where.from, where.to}})
	}
	result := new([]*redis.Cmd)
	err := s.do(ctx, func(ctx context.Context) error {
		cmds, err := s.exec(ctx, calls...)
		*result = cmds
		return err
	})
	if err != nil {
		return nil, err
	}
	counts := make([]int, len(*result))
	for i, c := range *result {
		if counts[i], err = c.Int(); err != nil {
			return nil, unavailable(err)
		}
	}
	return counts, nil
}
