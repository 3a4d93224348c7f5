package wrap_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// lengths starts a server that answers "len" with the lengths of the arguments.
func lengths(t testing.TB) *siotest.Server {
	return serve(t, func(io *socket.Server) {
		io.Use(pass)
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("len", func(args ...any) {
				out := []any{}
				for _, a := range args {
					switch a := a.(type) {
					case string:
						out = append(out, len(a))
					case *types.BytesBuffer:
						out = append(out, a.Len())
					}
				}
				_ = s.Emit("len", out...)
			})
		})
	})
}

// post sends a raw long-polling payload. A body of unknown length is chunked.
func post(t *testing.T, s *siotest.Server, c *siotest.Client, eio int, contentType string, body io.Reader) (int, string) {
	t.Helper()
	u := fmt.Sprintf("%s%s?EIO=%d&transport=polling&sid=%s", s.URL, siotest.Path, eio, c.SID)
	res, err := http.Post(u, contentType, body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

const text = "text/plain;charset=UTF-8"

// polled opens a session over long-polling, with no request under way.
func polled(t *testing.T, s *siotest.Server) *siotest.Client {
	t.Helper()
	c, err := s.Open(t, siotest.Dial{Polling: true})
	if err != nil {
		t.Fatal(err)
	}
	post(t, s, c, 4, text, strings.NewReader("40"))
	c.Connected(t)
	return c
}

// unsized hides the length of a body, which makes it a chunked one.
func unsized(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

func TestBodyBounds(t *testing.T) {
	t.Parallel()
	s := lengths(t)
	big := `42["len","` + strings.Repeat("x", 1_100_000) + `"]`
	for name, tt := range map[string]struct {
		contentType string
		body        io.Reader
		want        int
	}{
		"small chunked":           {text, unsized(`42["len","x"]`), 200},
		"large chunked":           {text, unsized(big), 413},
		"large":                   {text, strings.NewReader(big), 413},
		"binary":                  {"application/octet-stream", strings.NewReader("\x01\x01\xff4"), 400}, // the host never answers it
		"binary chunked":          {"application/octet-stream", unsized("\x01\x01\xff4"), 400},
		"large packet":            {text, strings.NewReader(`42["len","` + strings.Repeat("x", 200_000) + `"]`), 200},
		"large malformed payload": {text, strings.NewReader(strings.Repeat("x", 200_000)), 400},
		"empty":                   {text, strings.NewReader(""), 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := polled(t, s)
			if status, body := post(t, s, c, 4, tt.contentType, tt.body); status != tt.want {
				t.Errorf("status %d %.100q, want %d", status, body, tt.want)
			}
		})
	}
}

// The host drops long-polling messages over 64 KB, and answers "ok".
func TestBodyLargePackets(t *testing.T) {
	t.Parallel()
	s := lengths(t)
	for _, sizes := range [][]int{{65_000}, {65_520}, {65_535}, {65_536}, {70_000, 1, 80_000}, {1, 500_000}, {1, 2, 3}} {
		for _, chunked := range []bool{false, true} {
			c := polled(t, s)
			var packets []string
			for _, n := range sizes {
				packets = append(packets, `42["len","`+strings.Repeat("x", n)+`"]`)
			}
			var body io.Reader = strings.NewReader(strings.Join(packets, "\x1e"))
			if chunked {
				body = io.MultiReader(body)
			}
			if status, answer := post(t, s, c, 4, text, body); status != 200 || answer != "ok" {
				t.Fatalf("%v: %d %q", sizes, status, answer)
			}
			got := map[string]bool{} // the host dispatches in any order
			for range sizes {
				got[fmt.Sprint(c.NextEvent(t, "len").Args())] = true
			}
			for _, n := range sizes {
				if !got[fmt.Sprintf("[%d]", n)] {
					t.Errorf("sent %v, got %v", sizes, got)
				}
			}
			c.Close()
		}
	}
}

// A binary packet in the middle, and a CLOSE at the end.
func TestBodyLargeBinaryAndClose(t *testing.T) {
	t.Parallel()
	s := lengths(t)
	c := polled(t, s)
	big := strings.Repeat("QUJD", 50_000) // base64
	payload := `451-["len",{"_placeholder":true,"num":0}]` + "\x1eb" + big
	if status, answer := post(t, s, c, 4, text, strings.NewReader(payload)); status != 200 {
		t.Fatalf("%d %q", status, answer)
	}
	if got := fmt.Sprint(c.NextEvent(t, "len").Args()); got != "[150000]" {
		t.Errorf("got %s", got)
	}
	post(t, s, c, 4, text, strings.NewReader(`42["len","`+big+`"]`+"\x1e1"))
	c.AwaitDone(t)
}

func TestBodyLargeAfterUpgrade(t *testing.T) {
	t.Parallel()
	s := lengths(t)
	c := polled(t, s)
	c.Upgrade(t)
	c.Emit("len", "x")
	c.NextEvent(t, "len") // the session has moved
	if status, _ := post(t, s, c, 4, text, strings.NewReader(`42["len","`+strings.Repeat("x", 100_000)+`"]`)); status != 413 && status != 400 {
		t.Errorf("status %d", status)
	}
	c.NoPacket(t, 0)
}

// EIO3 binary payloads: the host trusts the lengths.
func TestBodyEIO3Binary(t *testing.T) {
	t.Parallel()
	record := func(kind byte, data string) string {
		var b bytes.Buffer
		b.WriteByte(kind)
		for _, d := range fmt.Sprint(len(data)) {
			b.WriteByte(byte(d - '0'))
		}
		b.WriteByte(0xFF)
		b.WriteString(data)
		return b.String()
	}
	s := lengths(t)
	for name, tt := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"text":             {record(0, `42["len","abc"]`), 200, "[3]"},
		"text not ASCII":   {record(0, `42["len","äöü€"]`), 200, "[9]"},
		"text and binary":  {record(0, `451-["len","ä",{"_placeholder":true,"num":0}]`) + record(1, "\x04\x00\xff\xfe"), 200, "[2 3]"},
		"negative length":  {"\x01\xfd\x05\xff4", 400, ""},
		"huge text":        {"\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4", 400, ""},
		"huge binary":      {"\x01\x09\x09\x09\x09\x09\x09\xff4", 400, ""},
		"hidden huge text": {record(0, "4ä") + "\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4", 400, ""},
		"no length":        {"\x00\xff4", 400, ""},
		"no end":           {"\x00\x01\x01\x01", 400, ""},
		"bad kind":         {"\x07\x01\xff4", 400, ""},
		"bad packet type":  {record(0, "zzz"), 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.Dial(t, siotest.Dial{Polling: true, EIO: 3})
			c.Connected(t)
			if status, answer := post(t, s, c, 3, "application/octet-stream", strings.NewReader(tt.body)); status != tt.status {
				t.Fatalf("%d %q", status, answer)
			}
			if tt.want != "" {
				if got := fmt.Sprint(c.NextEvent(t, "len").Args()); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			}
		})
	}
}

// If a handler is around the engine, only the defaults are known.
func TestBodyWithoutEngine(t *testing.T) {
	t.Parallel()
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		return wrap.Handler(http.HandlerFunc(h.ServeHTTP))
	}}.NewServer(t, nil)
	for body, want := range map[string]int{
		`42["x"]`:                        200,
		strings.Repeat("x", 100_000):     413,
		strings.Repeat("6\x1e", 100_000): 200,
		strings.Repeat("x", 1_100_000):   413,
	} {
		c := polled(t, s)
		if status, answer := post(t, s, c, 4, text, unsized(body)); status != want {
			t.Errorf("%d bytes: %d %q, want %d", len(body), status, answer, want)
		}
	}
}

// An event after a CLOSE in one large payload is not handled, and the session ends.
func TestBodyLargeCloseFirst(t *testing.T) {
	t.Parallel()
	connected, handled := make(chan struct{}), make(chan struct{}, 1)
	s := serve(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("late", func(...any) { handled <- struct{}{} })
			close(connected)
		})
	})
	u := openPoll(t, s) // no poll is open: the host may forget it, as the session ends
	request(t, "POST", u, strings.NewReader("40"), nil)
	<-connected
	request(t, "POST", u, strings.NewReader("1\x1e"+`42["late","`+strings.Repeat("x", 100_000)+`"]`), nil)
	siotest.Eventually(t, "no session is left", func() bool { return s.IO.Engine().ClientsCount() == 0 })
	select {
	case <-handled:
		t.Error("handled")
	case <-time.After(20 * time.Millisecond):
	}
}

// A large JSON-P payload, which the host would drop, is refused.
func TestBodyLargeJSONP(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	_, body := request(t, "GET", s.URL+openPath+"&j=0", nil, nil)
	_, rest, _ := strings.Cut(body, `sid\":\"`)
	sid, _, _ := strings.Cut(rest, `\"`)
	if _, ok := s.IO.Engine().Clients().Load(sid); !ok {
		t.Fatalf("no session: %q", body)
	}
	u := s.URL + openPath + "&j=0&sid=" + url.QueryEscape(sid)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for payload, want := range map[string]int{
		"d=" + url.QueryEscape(`42["x","`+strings.Repeat("x", 100_000)+`"]`): http.StatusRequestEntityTooLarge,
		`42["x","` + strings.Repeat("x", 100_000) + `"]`:                     http.StatusRequestEntityTooLarge,
	} {
		if res, body := request(t, "POST", u, strings.NewReader(payload), form); res.StatusCode != want {
			t.Errorf("%.10s: %d %q, want %d", payload, res.StatusCode, body, want)
		}
	}
	if res, body := request(t, "POST", u, strings.NewReader("d=1"), form); res.StatusCode != http.StatusOK {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}
