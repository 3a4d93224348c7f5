package wrap_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The tests of the peers that docs/parity.md lists, unless another test of this module
// asserts as much.

// cited finds a file and the tests named behind it, as the pages in docs do.
var cited = regexp.MustCompile("`((?:wrap|jwtauth|ratelimit|session|logging|presence|internal)/[\\w/]+_test\\.go)`((?:,? `?(?:Test|Fuzz)\\w+`?)+)")

// checkCited checks that the tests which a page names exist, and returns how many.
func checkCited(t *testing.T, page string) (n int) {
	t.Helper()
	for _, c := range cited.FindAllStringSubmatch(page, -1) {
		source, err := os.ReadFile("../" + c[1])
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range regexp.MustCompile(`\w+`).FindAllString(c[2], -1) {
			n++
			if !strings.Contains(string(source), "\nfunc "+name+"(") {
				t.Errorf("%s has no %s", c[1], name)
			}
		}
	}
	return n
}

func TestParityTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := checkCited(t, string(page)); n < 100 {
		t.Errorf("the page names %d tests", n)
	}
	next := 1
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		number, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue // a heading
		}
		if next == 75 {
			next = 80 // no tests of peers in between
		}
		if number != next {
			t.Errorf("row %d where %d should be", number, next)
		}
		next = number + 1
		ours := strings.TrimSpace(cells[len(cells)-2])
		if !strings.HasPrefix(ours, "later: ") && !strings.HasPrefix(ours, "not ours: ") && !cited.MatchString(ours) {
			t.Errorf("row %d names neither a test nor a reason: %s", number, ours)
		}
	}
	if next != 177 {
		t.Errorf("the last row is %d", next-1)
	}
}

// A journal is what has happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, " ")
}

// plain is a middleware as written for the bare host.
func plain(f func(s *socket.Socket) *socket.ExtendedError) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) { next(f(s)) }
}

// answerOf waits for the answer to CONNECT for nsp. With Engine.IO 3, that for
// "/" may come before or after it.
func answerOf(t *testing.T, c *siotest.Client, nsp string) siotest.Packet {
	t.Helper()
	for {
		if p := c.Next(t); p.Namespace == nsp {
			return p
		}
	}
}

// Rows 1, 4, 7, 9, 10, 85, 86.
func TestParityOrder(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var root, chat journal
		step := func(j *journal, name string) func(*socket.Socket) {
			return func(s *socket.Socket) {
				if _, there := s.Nsp().Sockets().Load(s.Id()); there || s.Connected() {
					t.Errorf("%s: connected before its middlewares have decided", name)
				}
				own := wrap.Request(s).Header // of this socket, not of its connection
				if got := own.Get("X-Nsp"); got != "" && got != s.Nsp().Name() {
					t.Errorf("%s: request of %s", name, got)
				}
				own.Set("X-Nsp", s.Nsp().Name())
				s.SetData(fmt.Sprint(s.Data(), name))
				j.note(name)
			}
		}
		ours := func(j *journal, name string) socket.NamespaceMiddleware {
			f := step(j, name)
			return wrap.Func(func(_ context.Context, s *socket.Socket) error { f(s); return nil })
		}
		theirs := func(j *journal, name string) socket.NamespaceMiddleware {
			f := step(j, name)
			return plain(func(s *socket.Socket) *socket.ExtendedError { f(s); return nil })
		}
		s := serve(t, func(io *socket.Server) {
			io.Use(ours(&root, "root"))
			nsp, one := io.Of("/chat", nil), ours(&chat, "1")
			nsp.Use(one)
			nsp.Use(wrap.Guard(theirs(&chat, "2"), 0))
			nsp.Use(theirs(&chat, "3"))
			nsp.Use(one) // listed twice, it runs twice
			_ = nsp.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_, there := nsp.Sockets().Load(s.Id())
				chat.note(fmt.Sprintf("connection %t %t %v", there, s.Connected(), s.Data()))
			})
		})
		d.Namespace = "/chat"
		c := s.Dial(t, d)
		c.Connected(t)
		if d.EIO == 3 { // which joins "/" by itself
			c.Connected(t)
		} else if got := root.String(); got != "" {
			t.Errorf(`middlewares of "/" ran for /chat: %s`, got)
		}
		const want = "1 2 3 1 connection true true <nil>1231"
		siotest.Eventually(t, want, func() bool { return chat.String() == want })
		if d.EIO != 3 {
			c.Connect("/", nil)
			c.Connected(t)
		}
		if got := root.String(); got != "root" || chat.String() != want {
			t.Errorf("ran %q, %q", got, chat.String())
		}
	})
}

// Rows 2, 3, 87.
func TestParityRefusalStops(t *testing.T) {
	t.Parallel()
	type refusal struct {
		mw   socket.NamespaceMiddleware
		want map[string]any
	}
	for name, r := range map[string]refusal{
		"Func": {
			wrap.Func(func(context.Context, *socket.Socket) error {
				return &wrap.Error{Code: "forbidden", Message: "MyError", Data: map[string]any{"a": "b", "c": 3}}
			}),
			map[string]any{"code": "forbidden", "message": "MyError", "retryable": false, "a": "b", "c": 3.0},
		},
		"Guard": {
			wrap.Guard(plain(func(*socket.Socket) *socket.ExtendedError {
				return socket.NewExtendedError("MyError", map[string]any{"message": "MyError", "a": "b", "c": 3})
			}), 0),
			map[string]any{"message": "MyError", "a": "b", "c": 3.0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				var ran journal
				s := serve(t, func(io *socket.Server) {
					io.Use(wrap.Func(func(context.Context, *socket.Socket) error { ran.note("1"); return nil }))
					io.Use(r.mw)
					io.Use(wrap.Func(func(context.Context, *socket.Socket) error { ran.note("3"); return nil }))
					_ = io.On("connection", func(...any) { ran.note("connection") })
				})
				c := s.Dial(t, d)
				p := c.ConnectError(t)
				if got := refusalData(t, p); !maps.Equal(got, r.want) {
					t.Errorf("data %v, want %v", got, r.want)
				}
				if keys := slices.Sorted(maps.Keys(p.Data.(map[string]any))); d.EIO != 3 && fmt.Sprint(keys) != "[data message]" {
					t.Errorf("packet %s", p.Raw)
				}
				c.NoPacket(t, 20*time.Millisecond)
				if got := ran.String(); got != "1" {
					t.Errorf("ran %q", got)
				}
			})
		})
	}
}

// Row 5.
func TestParitySlow(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var done, connections atomic.Int32
		s := serve(t, func(io *socket.Server) {
			io.Use(wrap.Func(func(context.Context, *socket.Socket) error { // on the reader
				<-time.After(150 * time.Millisecond)
				done.Add(1)
				return nil
			}))
			io.Use(wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) { // beside it
				time.AfterFunc(150*time.Millisecond, func() { done.Add(1); next(nil) })
			}, 0))
			_ = io.On("connection", func(...any) {
				if done.Load() != 2 {
					t.Error("connected before its middlewares were done")
				}
				connections.Add(1)
			})
		})
		s.Dial(t, d).Connected(t)
		if n := connections.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
