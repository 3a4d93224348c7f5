package release_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "release")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	start = sync.OnceValues(func() (*rehearsal, error) { return prepare(dir) })
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

// rehearsal is a proxy that has the release, and a module cache of its own.
type rehearsal struct {
	zip     string
	env     []string
	proxies []string // values for GOPROXY, tried one after the other
	host    []string // modules of a program that uses only the host
}

var start func() (*rehearsal, error)

// release returns the rehearsal. Without git there is none.
func release(t *testing.T) *rehearsal {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		missing(t, err)
	}
	r, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// missing skips a test that lacks a tool, which CI does not allow.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func prepare(dir string) (*rehearsal, error) {
	out, err := exec.Command("go", "env", "GOPROXY", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	values := strings.Split(string(out), "\n")
	network, modcache, cache := values[0], values[1], values[2]
	proxy := filepath.Join(dir, "proxy")
	offline := "file://" + filepath.ToSlash(proxy) + ",file://" + filepath.ToSlash(modcache) + "/cache/download"
	r := &rehearsal{proxies: []string{offline}}
	if network != "off" {
		r.proxies = append(r.proxies, offline+","+network)
	}
	if r.zip, err = publish(proxy); err != nil {
		return nil, err
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GO") {
			r.env = append(r.env, v)
		}
	}
	r.env = append(r.env,
		"GOENV=off", "GOTOOLCHAIN=local", "GOWORK=off", // nobody's settings
		"GOSUMDB=off", // checks compares with our own go.sum
		"GOMODCACHE="+filepath.Join(dir, "mod"), "GOCACHE="+cache,
		// Builds do not depend on the directory, and so are done once.
		"GOFLAGS=-modcacherw -trimpath",
	)
	// First, and alone, so that all others find the packages of the host built.
	first := filepath.Join(dir, "host")
	if err := r.user(context.Background(), first, "host", "github.com/sioware/sioware/wrap@"+version); err != nil {
		return nil, err
	}
	if _, err := r.build(context.Background(), first); err != nil {
		return nil, err
	}
	if r.host, err = r.modules(context.Background(), first); err != nil {
		return nil, err
	}
	return r, nil
}

// user sets up the directory of a user of a package, with a program of testdata.
func (r *rehearsal) user(ctx context.Context, dir, program, query string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join("testdata", program, "*.go"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no program in testdata/%s", program)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o644); err != nil {
			return err
		}
	}
	if _, err := r.tool(ctx, dir, "mod", "init", "example.com/user"); err != nil {
		return err
	}
	_, err = r.tool(ctx, dir, "get", query)
	return err
}

// build returns the binary of the program in dir, or that of its tests if there is no
// program.
func (r *rehearsal) build(ctx context.Context, dir string) (string, error) {
	if _, err := r.tool(ctx, dir, "vet", "./..."); err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "user.exe")
	args := []string{"build", "-o", bin, "."}
	if _, err := os.Stat(filepath.Join(dir, "main.go")); errors.Is(err, os.ErrNotExist) {
		args = []string{"test", "-c", "-o", bin, "."}
	}
	_, err := r.tool(ctx, dir, args...)
	return bin, err
}

// modules returns the modules that the program in dir contains, sorted.
func (r *rehearsal) modules(ctx context.Context, dir string) ([]string, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}{{with .Replace}} is replaced{{end}}{{end}}{{end}}"
	out, err := r.tool(ctx, dir, "list", "-deps", "-test", "-f", format, ".")
	if err != nil {
		return nil, err
	}
	all := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(all)
	return slices.Compact(all), nil
}

// tool runs the go command and returns its output. What fails without the network is
// retried with it.
func (r *rehearsal) tool(ctx context.Context, dir string, args ...string) (string, error) {
	var errs []error
	for _, proxy := range r.proxies {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		cmd.Env = append(r.env[:len(r.env):len(r.env)], "GOPROXY="+proxy, "PWD="+dir)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if err == nil {
			return stdout.String(), nil
		}
		errs = append(errs, fmt.Errorf("go %s: %w\n%s%s", strings.Join(args, " "), err, &stdout, &stderr))
		if args[0] != "get" && args[0] != "mod" {
			break // a fault of the program
		}
	}
	return "", errors.Join(errs...)
}
