package main

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"strings"
)

//go:embed static
var static embed.FS

var index = template.Must(template.ParseFS(static, "static/index.html"))

// The official client, as https://socket.io/docs/v4/client-installation/ names
// it. The hash is also that of dist/socket.io.min.js in the npm package.
const (
	cdnURL       = "https://cdn.socket.io/4.8.3/socket.io.min.js"
	cdnIntegrity = "sha384-kzavj5fiMwLKzzD1f8S7TeoVIEi7uKHvbTA3ueZkrzYq75pNQUiUi6Dy98Q3fxb0"
)

// script is where the page finds the official client.
type script struct {
	URL       string
	Integrity string
	file      string // served at URL, if not empty
}

// newScript returns the client in file, or the one of the CDN if file is empty.
func newScript(file string) (script, error) {
	if file == "" {
		return script{URL: cdnURL, Integrity: cdnIntegrity}, nil
	}
	if info, err := os.Stat(file); err != nil {
		return script{}, err
	} else if !info.Mode().IsRegular() {
		return script{}, fmt.Errorf("%s is not a file", file)
	}
	return script{URL: "/static/socket.io.min.js", file: file}, nil
}

// policy is the Content-Security-Policy of the page: our own files, our own
// server, and the CDN only if it is used.
func (s script) policy() string {
	scripts := "'self'"
	if s.file == "" {
		scripts += " " + s.URL
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + scripts,
		"style-src 'self'",
		"img-src 'self'",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
	}, "; ")
}

// content is what the page shows.
type content struct {
	Client script
	Users  map[string]string // and their passwords, as this is a demo
}

// newPages serves the page and its files.
func newPages(client script) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = index.Execute(w, content{client, passwords}) // fails only if the visitor has left
	})
	for _, name := range []string{"account.js", "chat.js", "connection.js", "icon.svg", "style.css", "words.js"} {
		mux.HandleFunc("GET /static/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, static, "static/"+name)
		})
	}
	if client.file != "" {
		mux.HandleFunc("GET "+client.URL, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			http.ServeFile(w, r, client.file)
		})
	}
	return mux
}
