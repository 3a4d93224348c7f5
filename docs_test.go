package sioware_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goBlock    = regexp.MustCompile("(?s)```go\n(.*?)```")
	nginxBlock = regexp.MustCompile("(?s)```nginx\n(.*?)```")
	anyBlock   = regexp.MustCompile("(?s)```.*?```")
	link       = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

// flat returns the lines of a text without their indentation, so that part of a function
// compares equal to a page.
func flat(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// TestPages: the Go code of a page is part of a file that is compiled, its nginx
// configuration is part of the file that examples/cluster runs, docs/clients.md shows the
// recipes as they are, and links lead somewhere.
func TestPages(t *testing.T) {
	t.Parallel()
	var compiled strings.Builder
	files, err := filepath.Glob("*/example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compiled.WriteString(flat(string(text)) + "\n")
	}
	nginx, err := os.ReadFile("examples/cluster/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range goBlock.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(compiled.String(), flat(block[1])) {
				t.Errorf("%s: no example has this:\n%s", page, block[1])
			}
		}
		for _, block := range nginxBlock.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(flat(string(nginx))+"\n", flat(block[1])+"\n") {
				t.Errorf("%s: examples/cluster/nginx.conf does not have this:\n%s", page, block[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(anyBlock.ReplaceAllString(string(text), ""), -1) {
			if _, err := os.Stat(filepath.Join("docs", m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
	clients, err := os.ReadFile("docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"internal/e2e/recipe_auth.mjs", "internal/e2e/recipe_limit.mjs", "internal/e2e/recipe_session.mjs"} {
		recipe, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(clients), "```js\n"+string(recipe)+"```\n") {
			t.Errorf("docs/clients.md does not show %s as it is", name)
		}
	}
}
