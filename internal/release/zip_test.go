package release_test

import (
	"archive/zip"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const (
	maxZip  = 3 << 20   // of the zip; every user downloads it
	maxFile = 256 << 10 // of a file in it
)

// unpack returns a directory with the contents of the zip.
func unpack(t *testing.T, r *rehearsal) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "zip")
	if err := modzip.Unzip(dir, module.Version{Path: modulePath, Version: version}, r.zip); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestZip checks what is downloaded.
func TestZip(t *testing.T) {
	r := release(t)
	stat, err := os.Stat(r.zip)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(r.zip)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()

	nested := map[string]bool{}
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if dir, name := path.Split(f.Path()); name == "go.mod" && dir != "" {
			nested[path.Clean(dir)] = true
		}
	}
	if !nested["internal/release"] || !nested["internal/compat"] {
		t.Fatalf("the nested modules are %v", nested)
	}

	have := map[string]bool{}
	var bytes, largest uint64
	var which string
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, modulePath+"@"+version+"/")
		if !ok {
			t.Errorf("%s is outside", f.Name)
		}
		have[name] = true
		bytes += f.UncompressedSize64
		if f.UncompressedSize64 > largest {
			largest, which = f.UncompressedSize64, name
		}
		for _, part := range strings.Split(path.Dir(name), "/") {
			if part == "node_modules" || part == "vendor" || part == ".git" {
				t.Errorf("%s is no part of the module", name)
			}
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if nested[dir] {
				t.Errorf("%s is part of another module", name)
			}
		}
	}
	for _, name := range []string{"LICENSE", "README.md", "SECURITY.md", "CHANGELOG.md", "go.mod", "go.sum", "wrap/wrap.go"} {
		if !have[name] {
			t.Errorf("%s is missing", name)
		}
	}
	t.Logf("%d files, %d KiB, zipped %d KiB; the largest is %s of %d KiB", len(z.File), bytes>>10, stat.Size()>>10, which, largest>>10)
	if stat.Size() > maxZip {
		t.Errorf("the zip has %d bytes, %d are enough", stat.Size(), maxZip)
	}
	if largest > maxFile {
		t.Errorf("%s has %d bytes, %d are enough", which, largest, maxFile)
	}
}

// TestTree: the module is self-contained, go.mod and go.sum are complete, and vet, if
// there is time for it, finds nothing.
func TestTree(t *testing.T) {
	r := release(t)
	dir := unpack(t, r)
	f, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	// These are ignored in a dependency: users would get something other than we do.
	if len(mod.Replace)+len(mod.Exclude) != 0 {
		t.Errorf("go.mod has %d replace, %d exclude", len(mod.Replace), len(mod.Exclude))
	}
	if mod.Toolchain != nil {
		t.Errorf("go.mod asks for %s", mod.Toolchain.Name)
	}
	// Every import and every embedded file is there, those of tests too.
	if _, err := r.tool(t.Context(), dir, "list", "-mod=readonly", "-deps", "-test", "./..."); err != nil {
		t.Error(err)
	}
	if end, ok := t.Deadline(); ok && time.Until(end) < 15*time.Minute {
		t.Log("vet compiles everything anew: go test -timeout 30m has the time for it")
		return
	}
	if _, err := r.tool(t.Context(), dir, "vet", "-mod=readonly", "./..."); err != nil {
		t.Error(err)
	}
}
