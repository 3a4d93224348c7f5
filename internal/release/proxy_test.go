package release_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const (
	modulePath = "github.com/sioware/sioware"
	version    = "v0.1.0"
	root       = "../.."
)

// source is a file of the tree, as it would be in the zip.
type source struct{ path string }

func (f source) Path() string                 { return f.path }
func (f source) Lstat() (fs.FileInfo, error)  { return os.Lstat(filepath.Join(root, f.path)) }
func (f source) Open() (io.ReadCloser, error) { return os.Open(filepath.Join(root, f.path)) }

// tree returns the files that are tracked or could be: what a tag would have.
func tree() ([]modzip.File, error) {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w: %s", err, stderr.String())
	}
	var files []modzip.File
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		f := source{name}
		if _, err := f.Lstat(); errors.Is(err, fs.ErrNotExist) {
			continue // deleted, and not yet committed
		} else if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// publish makes a module proxy of the tree in dir and returns the path of the zip.
func publish(dir string) (string, error) {
	files, err := tree()
	if err != nil {
		return "", err
	}
	at := filepath.Join(dir, filepath.FromSlash(modulePath), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return "", err
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Unix(0, 0).UTC()})
	if err != nil {
		return "", err
	}
	for name, text := range map[string][]byte{"list": []byte(version + "\n"), version + ".info": info, version + ".mod": gomod} {
		if err := os.WriteFile(filepath.Join(at, name), text, 0o644); err != nil {
			return "", err
		}
	}
	name := filepath.Join(at, version+".zip")
	out, err := os.Create(name)
	if err != nil {
		return "", err
	}
	if err := modzip.Create(out, module.Version{Path: modulePath, Version: version}, files); err != nil {
		return "", errors.Join(err, out.Close())
	}
	return name, out.Close()
}
