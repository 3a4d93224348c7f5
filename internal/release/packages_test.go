package release_test

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a public package pulls into a binary, in addition to the host and what that pulls
// in, and what its program in testdata prints.
var (
	redis = []string{"github.com/cespare/xxhash/v2", "github.com/redis/go-redis/v9", "go.uber.org/atomic"}
	jwt   = []string{"github.com/golang-jwt/jwt/v5"}
	keys  = []string{"github.com/MicahParks/jwkset", "github.com/golang-jwt/jwt/v5", "golang.org/x/time"}

	packages = []struct {
		name   string
		pulls  []string
		prints string // "PASS" for packages used by tests
	}{
		{"wrap", nil, "200 DENY"},
		{"logging", nil, "true false"},
		{"ratelimit", nil, "200 200 429"},
		{"ratelimit/storetest", nil, "PASS"},
		{"presence", nil, "1 <nil> <nil>"},
		{"presence/storetest", nil, "PASS"},
		{"jwtauth", jwt, "ada true <nil>"},
		{"jwtauth/jwks", keys, "true <nil> <nil>"},
		{"jwtauth/jwtauthtest", keys, "PASS"},
		{"session", []string{"github.com/gorilla/securecookie", "github.com/gorilla/sessions"}, "200 sid"},
		{"logging/prommetrics", []string{
			"github.com/beorn7/perks", "github.com/cespare/xxhash/v2", "github.com/munnerz/goautoneg",
			"github.com/prometheus/client_golang", "github.com/prometheus/client_model",
			"github.com/prometheus/common", "github.com/prometheus/procfs", "go.yaml.in/yaml/v2", "google.golang.org/protobuf",
		}, "true <nil>"},
		{"ratelimit/redisstore", redis, "true <nil> <nil>"},
		{"presence/redisstore", redis, "true"},
		{"jwtauth/redisstore", slices.Sorted(slices.Values(slices.Concat(jwt, redis))), "true <nil> <nil>"},
	}
)

// TestPackages: each package can be used alone, and brings in nothing that it does not
// need.
func TestPackages(t *testing.T) {
	r := release(t)
	ours, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := r.user(t.Context(), dir, p.name, modulePath+"/"+p.name+"@"+version); err != nil {
				t.Fatal(err)
			}
			bin, err := r.build(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			all, err := r.modules(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if p.prints != "PASS" { // the go command writes none of it into a test
				if inside := contents(t, bin); !slices.Equal(inside, all) {
					t.Errorf("go list has\n%v\nthe binary\n%v", all, inside)
				}
			}
			if !slices.Contains(all, modulePath) || !slices.Contains(all, "github.com/zishang520/socket.io/v2") {
				t.Fatalf("what the program uses is not in it: %v", all)
			}
			var pulls []string
			for _, m := range all {
				if m != modulePath && !slices.Contains(r.host, m) {
					pulls = append(pulls, m)
				}
			}
			if !slices.Equal(pulls, p.pulls) {
				t.Errorf("pulls\n%v\nwant\n%v", pulls, p.pulls)
			}
			sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(sums)) {
				if !strings.HasPrefix(line, modulePath+" ") && !bytes.Contains(ours, []byte(line)) {
					t.Errorf("not in the go.sum of the release: %s", line)
				}
			}

			cmd := exec.CommandContext(t.Context(), bin)
			cmd.Dir = dir
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil || strings.TrimSpace(stdout.String()) != p.prints {
				t.Errorf("the program: %v, printed %q, want %q\n%s", err, stdout.String(), p.prints, stderr.String())
			}
		})
	}
}

// contents returns the modules that a binary reports, sorted.
func contents(t *testing.T, bin string) (all []string) {
	t.Helper()
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		all = append(all, m.Path)
	}
	slices.Sort(all)
	return all
}

const heading = "| package | pulls |"

// table returns a table of packages for README.md, with those that pull in the same in
// one row.
func table() string {
	var rows []string
	names := map[string][]string{}
	for _, p := range packages {
		var pulls []string
		for _, m := range p.pulls {
			pulls = append(pulls, "`"+strings.TrimPrefix(m, "github.com/")+"`")
		}
		key := strings.Join(pulls, ", ")
		if key == "" {
			key = "nothing"
		}
		if names[key] == nil {
			rows = append(rows, key)
		}
		names[key] = append(names[key], "`"+p.name+"`")
	}
	text := heading + "\n| --- | --- |\n"
	for _, key := range rows {
		text += "| " + strings.Join(names[key], ", ") + " | " + key + " |\n"
	}
	return text
}

// TestTable: if README.md has the table, it is the one that TestPackages checks.
func TestTable(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), heading)
	if !ok {
		t.Logf("README.md has no such table; it would be\n%s", table())
		return
	}
	got, _, _ := strings.Cut(heading+rest, "\n\n")
	if got = strings.TrimSpace(got) + "\n"; got != table() {
		t.Errorf("README.md has\n%s\nwant\n%s", got, table())
	}
}

// TestAll: no package of the module is missing here.
func TestAll(t *testing.T) {
	r := release(t)
	dir := unpack(t, r)
	out, err := r.tool(t.Context(), dir, "list", "-f", "{{if .GoFiles}}{{.Name}} {{.ImportPath}}{{end}}", "./...")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for line := range strings.Lines(out) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		path = strings.TrimPrefix(path, modulePath+"/")
		if name != "main" && path != modulePath && !strings.Contains("/"+path+"/", "/internal/") {
			got = append(got, path)
		}
	}
	for _, p := range packages {
		want = append(want, p.name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("public are\n%v\nrehearsed are\n%v", got, want)
	}
}
