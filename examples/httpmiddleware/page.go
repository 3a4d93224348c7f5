package main

import (
	"embed"
	"net/http"
	"strings"

	"github.com/alexedwards/scs/v2"
)

//go:embed static
var static embed.FS

// newPages serves the page, which speaks Engine.IO itself so that it can show the headers
// of the handshake, and signs people in.
func newPages(sessions *scs.SessionManager) http.Handler {
	mux := http.NewServeMux()
	for path, name := range map[string]string{"/{$}": "index.html", "/page.js": "page.js", "/page.css": "page.css"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, static, "static/"+name)
		})
	}
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
		user := strings.TrimSpace(r.PostFormValue("user")) // anybody, this is a demo
		if user == "" || len(user) > 40 {
			http.Error(w, "user: a name of at most 40 bytes", http.StatusBadRequest)
			return
		}
		// A new id, so that nobody is signed in to a session planted by somebody else.
		if err := sessions.RenewToken(r.Context()); err != nil {
			http.Error(w, "no sessions at the moment", http.StatusServiceUnavailable)
			return
		}
		sessions.Put(r.Context(), keyUser, user)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Destroy(r.Context()); err != nil {
			http.Error(w, "no sessions at the moment", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
