package sioware_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cited matches a test file and the tests named behind it, as in
//
//	`wrap/origin_test.go` TestOrigin, TestOriginPanics
var (
	cited = regexp.MustCompile("`((?:wrap|jwtauth|ratelimit|session|logging|presence|internal|examples)/[\\w/]+_test\\.go)`((?:,? `?(?:Test|Fuzz|Example)\\w*`?)+)")
	word  = regexp.MustCompile(`\w+`)
)

// TestCited: the tests that a page names exist, and each threat in docs/security.md that
// is said to be closed names one.
func TestCited(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cited.FindAllStringSubmatch(string(text), -1) {
			source, err := os.ReadFile(c[1])
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			for _, name := range word.FindAllString(c[2], -1) {
				if !strings.Contains(string(source), "\nfunc "+name+"(") {
					t.Errorf("%s: %s has no %s", page, c[1], name)
				}
			}
		}
	}
	security, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	threats, _, _ := strings.Cut(string(security), "## What we cannot")
	rows := 0
	for line := range strings.Lines(threats) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| threat ") {
			continue
		}
		rows++
		if !cited.MatchString(line) {
			t.Errorf("docs/security.md: no test in the row %.80s", line)
		}
	}
	if rows < 20 {
		t.Errorf("docs/security.md has %d threats", rows)
	}
}
