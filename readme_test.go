package sioware_test

import (
	"os"
	"strings"
	"testing"
)

// The first block of the README is the program of an example that is compiled.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "```go\n")
	block, _, _ = strings.Cut(block, "```")
	example, err := os.ReadFile("wrap/example_program_test.go")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("package wrap_test", "package main", "func Example()", "func main()").Replace(string(example))
	if block != want {
		t.Errorf("the first Go block of README.md is not the program of wrap/example_program_test.go:\n%s\nwant\n%s", block, want)
	}
	if lines := strings.Count(string(readme), "\n"); lines > 200 {
		t.Errorf("README.md has %d lines, 200 are enough", lines)
	}
	for _, command := range []string{"go run ./examples/chat", "go test ./..."} {
		if !strings.Contains(string(readme), command) {
			t.Errorf("README.md does not show %q", command)
		}
	}
	for _, m := range link.FindAllStringSubmatch(anyBlock.ReplaceAllString(string(readme), ""), -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("README.md links to %s: %v", m[1], err)
		}
	}
}
