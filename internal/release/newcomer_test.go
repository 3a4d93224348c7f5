package release_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestNewcomer does what README.md says, word for word: its program in an empty
// directory, the package with its command, and its script, which must print what the
// comments promise. Only the port differs, as 3000 may be taken.
func TestNewcomer(t *testing.T) {
	r := release(t)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	program, script := block(t, string(readme), "go"), block(t, string(readme), "js")
	command := regexp.MustCompile(`(?m)^go (get [^\s#]+)`).FindStringSubmatch(string(readme))
	if command == nil {
		t.Fatal("README.md has no go get")
	}
	if strings.Count(program, ":3000") != 1 {
		t.Fatalf("the program does not say :3000 once:\n%s", program)
	}

	dir := t.TempDir()
	if _, err := r.tool(t.Context(), dir, "mod", "init", "example.com/hello"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "public", "index.html"), []byte("a page"), 0o644); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, "main.go")
	write := func(text string) string {
		if err := os.WriteFile(main, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		bin, err := r.build(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return bin
	}
	if err := os.WriteFile(main, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tool(t.Context(), dir, strings.Fields(command[1])...); err != nil {
		t.Fatal(err)
	}
	write(program) // unchanged

	// Another process may take a free port before the program does, which then ends.
	var url string
	for range 5 {
		addr := free(t)
		url = serve(t, dir, write(strings.Replace(program, "127.0.0.1:3000", addr, 1)), addr)
		if url != "" {
			break
		}
	}
	if url == "" {
		t.Fatal("the program does not listen")
	}
	if status, body := get(t, url+"/"); status != http.StatusOK || body != "a page" {
		t.Errorf("the page: %d %q", status, body)
	}
	if status, body := get(t, url+"/socket.io/?EIO=4&transport=polling"); status != http.StatusOK || !strings.HasPrefix(body, "0{") {
		t.Errorf("a handshake: %d %q", status, body)
	}

	var want []string
	for _, m := range regexp.MustCompile(`(?m)// (.*)$`).FindAllStringSubmatch(script, -1) {
		want = append(want, m[1])
	}
	if len(want) != 2 {
		t.Fatalf("the script promises %q", want)
	}
	got := run(t, node(t), "testdata/newcomer.mjs", clients(t), url, script, strconv.Itoa(len(want)))
	slices.Sort(got) // two connections
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the script prints\n%q\nwant\n%q", got, want)
	}
}

// block returns the first block of a language.
func block(t *testing.T, page, language string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n```"+language+"\n")
	text, _, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatalf("README.md has no %s", language)
	}
	return text
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve runs the program until the test ends, and returns its URL when it listens, "" if
// it has ended.
func serve(t *testing.T, dir, bin, addr string) string {
	t.Helper()
	cmd := exec.Command(bin)
	cmd.Dir = dir
	var output bytes.Buffer // read when the program has ended
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the program: %v\n%s", cmd.ProcessState, output.String())
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	bound := time.NewTimer(time.Minute)
	defer bound.Stop()
	for {
		// If another process has taken the port, it does not have our page, which we
		// would notice.
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			select {
			case <-ended:
				return ""
			default:
				return "http://" + addr
			}
		}
		select {
		case <-ended:
			return ""
		case <-bound.C:
			t.Fatal("the program does not listen")
		case <-tick.C:
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func node(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		missing(t, fmt.Errorf("no Node.js: %w", err))
	}
	return path
}

// clients returns the directory whose node_modules has the official client.
func clients(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../e2e")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "client4", "package.json")); err != nil {
		missing(t, errors.Join(errors.New("the clients are not installed: run npm ci in internal/e2e"), err))
	}
	return dir
}

// run returns the lines that a command prints.
func run(t *testing.T, name string, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, &stderr)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
