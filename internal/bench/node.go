package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// nodeDir is the directory of server.mjs and its modules, beside this file.
func nodeDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "node")
}

// findNode returns the path of node, or an error that says what is missing.
func findNode() (string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return "", fmt.Errorf("no Node.js (or use -no-node): %w", err)
	}
	for _, name := range []string{"server.mjs", "package-lock.json"} {
		if _, err := os.Stat(filepath.Join(nodeDir(), name)); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"express-session", "jsonwebtoken", "pino", "rate-limiter-flexible", "socket.io"} {
		if _, err := os.Stat(filepath.Join(nodeDir(), "node_modules", name, "package.json")); errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("%s is not installed: run npm ci in internal/bench/node (or use -no-node)", name)
		} else if err != nil {
			return "", err
		}
	}
	return node, nil
}

// nodeCommand returns the command that starts server.mjs.
func nodeCommand(v variant) (*exec.Cmd, error) {
	node, err := findNode()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(node, "--expose-gc", "server.mjs")
	cmd.Dir = nodeDir()
	cmd.Env = append(os.Environ(), "NODE_ENV=production", "BENCH_SECRET="+secret)
	if !v.has("events") {
		cmd.Env = append(cmd.Env, "BENCH_NO_EVENT_LIMIT=1")
	}
	return cmd, nil
}
