package jwtauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestFind: which token a client has sent, and which requests have none that is
// beyond doubt.
func TestFind(t *testing.T) {
	t.Parallel()
	auth, query := []jwtauth.Source{jwtauth.AuthField("token")}, []jwtauth.Source{jwtauth.Query("token")}
	header, cookie := []jwtauth.Source{jwtauth.Bearer()}, []jwtauth.Source{jwtauth.Cookie("jwt")}
	for name, tt := range map[string]struct {
		sources []jwtauth.Source
		auth    any
		headers []string // Authorization, or Cookie
		query   string
		want    string // "!": an error
	}{
		"payload, with scheme":           {auth, object{"token": "Bearer x"}, nil, "", "x"},
		"namespace query, with scheme":   {auth, url.Values{"token": {"Bearer x"}}, nil, "", "x"},
		"namespace query, twice":         {auth, url.Values{"token": {"x", "bearer x"}}, nil, "", "x"},
		"namespace query, two":           {auth, url.Values{"token": {"x", "y"}}, nil, "", "!"},
		"header":                         {header, nil, []string{"Bearer x"}, "", "x"},
		"header, with a tab":             {header, nil, []string{"bearer\tx"}, "", "x"},
		"header, of another scheme":      {header, nil, []string{"Bearerx y"}, "", ""},
		"header, twice the same":         {header, nil, []string{"Bearer x", "Bearer x"}, "", "!"},
		"header, two":                    {header, nil, []string{"Bearer x", "Bearer y"}, "", "!"},
		"header, behind another scheme":  {header, nil, []string{"Basic YTpi", "Bearer x"}, "", "!"},
		"header, before another scheme":  {header, nil, []string{"Bearer x", "Basic YTpi"}, "", "!"},
		"query":                          {query, nil, nil, "a=b&token=x", "x"},
		"query, escaped":                 {query, nil, nil, "%74oken=x", "x"},
		"query, two":                     {query, nil, nil, "token=x&token=y", "!"},
		"query, where no reader sees it": {query, nil, nil, "a=b;token=x", ""},
		"query, none":                    {query, nil, nil, "token&token=", ""},
		"query, not readable":            {query, nil, nil, "token=x%zz", "!"},
		"query, escaped, not readable":   {query, nil, nil, "%74oken=x%", "!"},
		"query, one not readable":        {query, nil, nil, "token=x%zz&token=y", "!"},
		"query, one with a semicolon":    {query, nil, nil, "token=y&token=x;", "!"},
		"header, joined":                 {header, nil, []string{"Basic YTpi, Bearer x"}, "", "!"},
		"header, joined without a space": {header, nil, []string{"Basic YTpi,,\tbearer\tx"}, "", "!"},
		"header, the same joined":        {header, nil, []string{"Bearer x, Bearer x"}, "", "!"},
		"header, joined behind a quote":  {header, nil, []string{`Digest a="\"", Bearer x`}, "", "!"},
		"header, joined in no string":    {header, nil, []string{`Digest a="b\", Bearer x`}, "", "!"},
		"header, a parameter Bearer":     {header, nil, []string{"Digest a=b, Bearer=x"}, "", ""},
		"header, Bearer in a string":     {header, nil, []string{`Digest a="b\", Bearer x", c=d`}, "", ""},
		"cookie":                         {cookie, nil, []string{`a=b; jwt="x"; jwtx=y\`, "jwt=x"}, "", "x"},
		"cookie, none":                   {cookie, nil, []string{"jwt; jwt=; jwt=\"\""}, "", ""},
		"cookie, not readable":           {cookie, nil, []string{`jwt=x\`}, "", "!"},
		"cookie, one not readable":       {cookie, nil, []string{`jwt=x\; jwt=y`}, "", "!"},
		"cookie, half a quote":           {cookie, nil, []string{"jwt=y", `jwt="x`}, "", "!"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?"+tt.query, nil)
		if tt.headers != nil {
			name := "Authorization"
			if tt.sources[0] == jwtauth.Cookie("jwt") {
				name = "Cookie"
			}
			r.Header[name] = tt.headers
		}
		got, err := jwtauth.Find(tt.sources, tt.auth, r)
		if (err != nil) != (tt.want == "!") || err == nil && got != tt.want || err != nil && got != "" {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
}

// TestScrub: the token goes, and with it what another reader might take for it;
// what is beside it stays as it was.
func TestScrub(t *testing.T) {
	t.Parallel()
	sources, _ := everywhere("")
	for name, tt := range map[string]struct {
		query, left     string
		header, cleaned http.Header
	}{
		"query":             {"a=1&token=x&b=%32&token=y", "a=1&b=%32", nil, nil},
		"escaped":           {"%74oken=x&a=1", "a=1", nil, nil},
		"semicolons":        {"a=1;token=x&b=2&c;d", "b=2", nil, nil},
		"not to be decoded": {"%zz=x&tok%e=y&b=2", "b=2", nil, nil},
		"Basic": {"", "", http.Header{"Authorization": {"Basic YTpi"}},
			http.Header{"Authorization": {"Basic YTpi"}}},
		"Basic beside Bearer": {"", "", http.Header{"Authorization": {"bearer x", "Basic YTpi", "Bearer\ty"}},
			http.Header{"Authorization": {"Basic YTpi"}}},
		"Basic joined with Bearer": {"", "", http.Header{"Authorization": {"Basic YTpi, Bearer x"}}, http.Header{}},
		"Bearer in a string": {"", "", http.Header{"Authorization": {`Digest a=", Bearer x"`}},
			http.Header{"Authorization": {`Digest a=", Bearer x"`}}},
		"not to be read": {"a=1&token=x%zz", "a=1", http.Header{"Cookie": {`a=1; jwt=x\`}}, http.Header{"Cookie": {"a=1"}}},
		"Bearer": {"", "", http.Header{"Authorization": {"Bearer x"}, "X-Token": {"x"}, "Cookie": {"jwt=x"}, "X-Other": {"y"}},
			http.Header{"X-Other": {"y"}}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?"+tt.query, nil)
		if tt.header == nil {
			tt.header, tt.cleaned = http.Header{}, http.Header{}
		}
		r.Header = tt.header
		jwtauth.Scrub(sources, r)
		if r.URL.RawQuery != tt.left || r.RequestURI != "/?"+tt.left {
			t.Errorf("%s: %q and %q, want %q", name, r.URL.RawQuery, r.RequestURI, tt.left)
		}
		if !reflect.DeepEqual(r.Header, tt.cleaned) {
			t.Errorf("%s: %v, want %v", name, r.Header, tt.cleaned)
		}
	}
}

// TestScrubForm: a token that something in front has read already is taken out
// there too, but not of the caller's request.
func TestScrubForm(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Query("token")}})
	h := a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if got := r.FormValue("token"); got != "" || r.FormValue("lang") != "en" {
			t.Errorf("Form is %.60v", r.Form)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/?lang=en&token="+token(t, "ada", time.Hour), nil)
	before := r.FormValue("token")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || r.FormValue("token") != before {
		t.Errorf("%d %s; the caller's has %.10q", w.Code, w.Body, r.FormValue("token"))
	}
}

// TestScrubNamespaceQuery: the payload of Engine.IO 3 is the query of the
// namespace, and part of the handshake.
func TestScrubNamespaceQuery(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	sockets := make(chan *socket.Socket, 1)
	s := serve(t, func(io *socket.Server) {
		// "/" too: without a Func the host forgets the end of one socket in some thousands.
		io.Use(wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
		chat := io.Of("/chat", nil)
		chat.Use(a.Middleware())
		onConnection(chat, func(s *socket.Socket) { sockets <- s })
	})
	good := token(t, "ada", time.Hour)
	s.Dial(t, siotest.Dial{EIO: 3, Namespace: "/chat", Auth: url.Values{"token": {good}, "room": {"kept"}}})
	so := <-sockets
	if sub, _ := a.Subject(so); sub != "ada" {
		t.Errorf("Subject = %q", sub)
	}
	if text := fmt.Sprint(so.Handshake().Auth); strings.Contains(text, good) || !strings.Contains(text, "kept") {
		t.Errorf("the handshake has %.40s...", text)
	}
}

// TestTwoHeaders: a proxy in front may have looked at another Authorization than we
// would.
func TestTwoHeaders(t *testing.T) {
	t.Parallel()
	s, _ := authenticated(t, newAuth(t, &jwtauth.Options[claims]{Guests: true}))
	good := "Bearer " + token(t, "ada", time.Hour)
	for _, values := range [][]string{{good, good}, {good, "Basic YTpi"}, {"Basic YTpi", good}} {
		refused(t, s, siotest.Dial{Header: http.Header{"Authorization": values}}, "token_invalid")
	}
}

// TestUnreadableIsNoGuest: a token that net/http leaves out has been sent all the same.
func TestUnreadableIsNoGuest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		source jwtauth.Source
		d      siotest.Dial
	}{
		"cookie":        {jwtauth.Cookie("jwt"), siotest.Dial{Header: http.Header{"Cookie": {`jwt=x.y.z\`}}}},
		"Authorization": {jwtauth.Bearer(), siotest.Dial{Header: http.Header{"Authorization": {"Basic YTpi, Bearer x.y.z"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := authenticated(t, newAuth(t, &jwtauth.Options[claims]{Guests: true, Sources: []jwtauth.Source{tt.source}}))
			refused(t, s, tt.d, "token_invalid")
		})
	}
}
