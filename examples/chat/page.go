package main

import (
	"embed"
	"html/template"
	"net/http"
	"strings"
)

//go:embed static
var static embed.FS

var index = template.Must(template.ParseFS(static, "static/index.html"))

// policy is the Content-Security-Policy of the page: only our own files and our own
// server.
var policy = strings.Join([]string{
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self'",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
	"require-trusted-types-for 'script'",
}, "; ")

// content is what the page shows.
type content struct {
	Users    map[string]string // with their passwords, as this is a demo
	Nickname string            // the last one that this browser had as a guest
}

// newPages serves the page and its files, the official client among them.
func newPages(names *names) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", names.sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_ = index.Execute(w, content{passwords, names.of(r)}) // fails only if the visitor has left
	})))
	for _, name := range []string{"account.js", "chat.js", "connection.js", "forms.js", "icon.svg", "letters.js", "lines.js", "list.js", "people.js", "rooms.js", "socket.io.min.js", "style.css", "words.js"} {
		mux.HandleFunc("GET /static/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, static, "static/"+name)
		})
	}
	return mux
}
