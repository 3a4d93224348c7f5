package session_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/session"
)

// FuzzCookie: no Cookie header leads to the session of anybody whose cookie it does
// not have, nor chooses the ID of a new one.
func FuzzCookie(f *testing.F) {
	signed := sessions.NewFilesystemStore(f.TempDir(), secret)
	cookies := sessions.NewCookieStore(secret)
	stores := []sessions.Store{signed, newMemory(), cookies}
	managers := make([]*session.Manager, len(stores))
	victims := make([]string, len(stores))
	for i, store := range stores {
		managers[i] = newManager(f, store, nil)
		_, victims[i] = plain(f, store, "", func(values map[any]any) { values["user"] = "ada" })
		v := victims[i]
		for _, seed := range []string{v, v[:len(v)-1], v + "A", v + "; sid=x", "sid=x; " + v, strings.ToUpper(v), `sid="` + v[4:] + `"`} {
			f.Add(seed)
		}
	}
	for _, seed := range []string{"", "sid", "sid=", "=", ";;;", "sid=../../../etc/passwd", "sid=\x00", "sid=a,b", "SID=x", "sid=PLANTED", "sid= x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for i, m := range managers {
			r := httptest.NewRequest(http.MethodGet, "http://host.example/", nil)
			r.Header.Set("Cookie", header)
			sent := ""
			if c, err := r.Cookie("sid"); err == nil {
				sent = c.Value
			}
			mine := "sid="+sent == victims[i]
			m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s, ok := m.FromContext(r.Context())
				if !ok {
					if mine {
						t.Errorf("store %d: no session for %q", i, header)
					}
					return
				}
				if name, _ := user.Get(s); name == "ada" && !mine {
					t.Errorf("store %d: %q leads to another's session", i, header)
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
			if mine {
				continue
			}
			w := httptest.NewRecorder()
			if err := m.Renew(t.Context(), w, r, nil); err != nil {
				t.Errorf("store %d: %v", i, err)
				continue
			}
			got := w.Result().Cookies()
			if len(got) != 1 || got[0].Value == sent || len(got[0].Value) < 32 {
				t.Errorf("store %d: %q gets %v", i, header, got)
			}
			made, _ := plain(t, stores[i], "sid="+got[0].Value, nil)
			if made.IsNew || slices.Contains([]string{sent}, made.ID) && sent != "" || made.Values["user"] != nil {
				t.Errorf("store %d: %q makes %+v", i, header, made)
			}
			if _, _, err := destroy(t, m, "sid="+got[0].Value); err != nil {
				t.Errorf("store %d: %v", i, err)
			}
		}
	})
}
