package wrap_test

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestUseAll(t *testing.T) {
	t.Parallel()
	deny := wrap.Func(func(_ context.Context, s *socket.Socket) error {
		if auth, _ := s.Handshake().Auth.(map[string]any); auth["in"] == true {
			return nil
		}
		return &wrap.Error{Code: "forbidden"}
	})
	byName := func(name string, _ any, next func(error, bool)) { next(nil, name == "/fn") }
	s := serve(t, func(io *socket.Server) {
		io.Of("/before", nil)
		io.Of(regexp.MustCompile(`^/before-\d+$`), nil)
		wrap.UseAll(io, deny)
		io.Of("/after", nil)
		io.Of(regexp.MustCompile(`^/after-\d+$`), nil)
		io.Of(socket.ParentNspNameMatchFn(&byName), nil)
	})
	for _, nsp := range []string{"/", "/before", "/before-1", "/after", "/after-1", "/fn"} {
		for range 2 { // the first one creates the child
			c := s.Dial(t, siotest.Dial{Namespace: nsp})
			if p := c.ConnectError(t); refusalData(t, p)["code"] != "forbidden" {
				t.Errorf("%s: got %s", nsp, p.Raw)
			}
			in := s.Dial(t, siotest.Dial{Namespace: nsp, Auth: map[string]any{"in": true}})
			in.Connected(t)
		}
	}
}

// The host would answer with an empty packet if data cannot be marshaled.
func TestUseAllRefusalData(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data any
		want map[string]any
	}{
		"channel": {map[string]any{"x": make(chan int)}, map[string]any{"message": "no", "data": nil}},
		"map":     {map[string]any{"x": "y"}, map[string]any{"message": "no", "data": map[string]any{"x": "y"}}},
	} {
		s := serve(t, func(io *socket.Server) {
			wrap.UseAll(io, func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				next(socket.NewExtendedError("no", c.data))
			})
		})
		if got := s.Dial(t, siotest.Dial{}).ConnectError(t).Data; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// The child of a dynamic namespace outlives the client that is refused there, unless the
// host is told to clean up. What UseAll adds to the child does not prevent the latter.
func TestUseAllRefusedChildren(t *testing.T) {
	t.Parallel()
	const clients = 3
	for cleanup, want := range map[bool]int{false: clients, true: 0} {
		o := wrap.Harden(nil)
		o.SetCleanupEmptyChildNamespaces(cleanup)
		var parent socket.ParentNamespace
		s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
			wrap.UseAll(io, wrap.Func(func(context.Context, *socket.Socket) error { return &wrap.Error{Code: "forbidden"} }))
			parent, _ = io.Of(regexp.MustCompile(`^/dyn-\d+$`), nil).(socket.ParentNamespace)
		})
		for i := range clients {
			s.Dial(t, siotest.Dial{Namespace: fmt.Sprintf("/dyn-%d", i)}).ConnectError(t)
		}
		if got := parent.Children().Len(); got != want {
			t.Errorf("cleanup %v: %d namespaces, want %d", cleanup, got, want)
		}
	}
}

func TestUseAllOrder(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var ran []string
	note := func(name string) socket.NamespaceMiddleware {
		return wrap.Func(func(context.Context, *socket.Socket) error {
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, name)
			return nil
		})
	}
	s := serve(t, func(io *socket.Server) {
		io.Of("/before", nil).Use(note("own"))
		wrap.UseAll(io, note("a"), note("b"))
		more := []socket.NamespaceMiddleware{note("c")}
		wrap.UseAll(io, more...)
		more[0] = note("the caller's") // the list is a copy
		io.Of("/after", nil).Use(note("own"))
		io.Of(regexp.MustCompile(`^/dyn-\d+$`), nil).Use(note("own"))
	})
	for nsp, want := range map[string]string{"/before": "[own a b c]", "/after": "[a b c own]", "/dyn-1": "[a b c own]", "/": "[a b c]"} {
		s.Dial(t, siotest.Dial{Namespace: nsp}).Connected(t)
		mu.Lock()
		if got := fmt.Sprint(ran); got != want {
			t.Errorf("%s: ran %s, want %s", nsp, got, want)
		}
		ran = nil
		mu.Unlock()
	}
}

// Many clients are the first of a dynamic namespace at the same time: some may reach it
// before its middlewares are in place, and must be disconnected.
func TestUseAllRace(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) {
		wrap.UseAll(io, wrap.Func(func(context.Context, *socket.Socket) error { return &wrap.Error{Code: "forbidden"} }))
		io.Of(regexp.MustCompile(`^/dyn-\d+$`), nil)
	})
	for round := range 20 {
		var wg sync.WaitGroup
		for range 8 {
			c, err := s.Open(t, siotest.Dial{})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				c.Connect(fmt.Sprintf("/dyn-%d", round), nil)
				select {
				case <-c.Done():
				case p := <-packet(t, c):
					if p.Type != '4' {
						<-c.Done() // disconnected again
					}
				}
			})
		}
		wg.Wait()
	}
}

func packet(t *testing.T, c *siotest.Client) <-chan siotest.Packet {
	ch := make(chan siotest.Packet, 1)
	go func() { ch <- c.Next(t) }()
	return ch
}

func TestRequire(t *testing.T) {
	t.Parallel()
	none := func(*siotest.Config) {}
	for name, tt := range map[string]struct {
		config func(*siotest.Config)
		before []socket.NamespaceMiddleware
		after  []socket.NamespaceMiddleware
		admit  bool
	}{
		"bare":            {config: none},
		"Namespace":       {config: none, before: []socket.NamespaceMiddleware{wrap.Namespace()}, admit: true},
		"wrong order":     {config: none, after: []socket.NamespaceMiddleware{wrap.Namespace()}},
		"Func is no wrap": {config: none, before: []socket.NamespaceMiddleware{pass}},
		"Handler":         {config: func(c *siotest.Config) { places[0].add(c, nil) }, admit: true},
		"Engine": {config: func(c *siotest.Config) {
			c.Engine = func(e engine.BaseServer) { e.Use(wrap.Engine()) }
		}, admit: true},
		"Every": {config: func(c *siotest.Config) {
			c.Engine = func(e engine.BaseServer) { e.Use(wrap.Every()) }
		}, admit: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, polling := range []bool{true, false} {
				c := siotest.Config{Options: wrap.Harden(nil)}
				tt.config(&c)
				s := c.NewServer(t, func(io *socket.Server) {
					for _, mw := range tt.before {
						io.Use(mw)
					}
					io.Use(wrap.Require())
					for _, mw := range tt.after {
						io.Use(mw)
					}
				})
				client := s.Dial(t, siotest.Dial{Polling: polling})
				if tt.admit {
					client.Connected(t)
				} else if p := client.ConnectError(t); refusalData(t, p)["code"] != "forbidden" {
					t.Errorf("got %s", p.Raw)
				}
			}
		})
	}
}
