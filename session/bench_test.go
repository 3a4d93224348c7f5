package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// BenchmarkJoin is a client that joins a namespace and leaves it, over loopback: the
// server and the client together.
func BenchmarkJoin(b *testing.B) {
	for _, c := range []struct {
		name          string
		live, without bool
	}{
		{"live", true, false},
		{"loaded", false, false},
		{"without", true, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newManager(b, newMemory(), nil)
			joined, left := make(chan struct{}, 1), make(chan struct{}, 1)
			s := siotest.Config{
				Options: wrap.Harden(nil),
				Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, m.Handler) },
			}.NewServer(b, func(io *socket.Server) {
				if c.without {
					wrap.UseAll(io, wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
				} else {
					wrap.UseAll(io, m.Middleware())
				}
				_ = io.Of("/other", nil).On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("disconnect", func(...any) { left <- struct{}{} })
					joined <- struct{}{}
				})
			})
			d := with(visit(b, m))
			d.NoConnect = !c.live
			client := s.Dial(b, d)
			if c.live {
				client.Connected(b)
			}
			b.ReportAllocs()
			for b.Loop() {
				client.Connect("/other", nil)
				if p := client.Next(b); p.Type != siotest.TypeConnect {
					b.Fatal(p)
				}
				<-joined
				client.Disconnect("/other")
				<-left
			}
		})
	}
}

// joined returns a session with a socket.
func joined(b *testing.B) (*server, *socket.Socket, *session.Session, string) {
	b.Helper()
	s := serve(b, newManager(b, newMemory(), nil))
	browser := s.visit(b)
	s.Dial(b, with(browser)).Connected(b)
	so := <-s.sockets
	sess, _ := s.m.From(so)
	return s, so, sess, browser
}

func BenchmarkFrom(b *testing.B) {
	s, so, _, _ := joined(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.m.From(so); !ok {
			b.Fatal("no session")
		}
	}
}

func BenchmarkGet(b *testing.B) {
	_, _, sess, _ := joined(b)
	if err := sess.Update(b.Context(), add); err != nil {
		b.Fatal(err)
	}
	b.Run("Session", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := sess.Get("count"); !ok {
				b.Fatal("no value")
			}
		}
	})
	b.Run("Key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := count.Get(sess); !ok {
				b.Fatal("no value")
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	_, _, sess, _ := joined(b)
	for name, change := range map[string]func(map[any]any) error{
		"changed": add, "unchanged": func(map[any]any) error { return nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := sess.Update(b.Context(), change); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReload(b *testing.B) {
	_, _, sess, _ := joined(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := sess.Reload(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	s, _, _, browser := joined(b)
	h := s.m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, cookie := range map[string]string{"session": browser, "none": ""} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "http://host.example/", nil)
			if cookie != "" {
				r.Header.Set("Cookie", cookie)
			}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
