package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answerBound is how long a server may take to answer a command: long enough for a
// garbage collection of a large heap on a busy machine.
const answerBound = 60 * time.Second

// server is a server in a process of its own.
type server struct {
	variant
	addr string // host:port

	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers chan answer
	mu      sync.Mutex // one command at a time
	errs    *tail
}

type answer struct {
	report
	err error
}

// startServer starts a server and waits until it listens.
func startServer(name string) (*server, error) {
	v, err := parseVariant(name)
	if err != nil {
		return nil, err
	}
	var cmd *exec.Cmd
	if v.node {
		if cmd, err = nodeCommand(v); err != nil {
			return nil, err
		}
	} else {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd = exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+name)
	}
	s := &server{variant: v, cmd: cmd, answers: make(chan answer, 1), errs: new(tail)}
	cmd.Stderr = s.errs
	cmd.WaitDelay = 5 * time.Second
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go s.read(stdout)
	first, err := s.answer()
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s did not start: %w\n%s", name, err, s.errs)
	}
	s.addr = strings.TrimPrefix(first.URL, "http://")
	return s, nil
}

// read passes on what the server prints, until it ends.
func (s *server) read(stdout io.Reader) {
	defer close(s.answers)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		if err := json.Unmarshal(line, &a.report); err != nil {
			a.err = fmt.Errorf("not an answer: %.200q: %w", line, err)
		} else if a.Error != "" {
			a.err = errors.New(a.Error)
		}
		s.answers <- a
	}
}

func (s *server) answer() (report, error) {
	bound := time.NewTimer(answerBound)
	defer bound.Stop()
	select {
	case a, ok := <-s.answers:
		if !ok {
			return report{}, errors.New("its process has ended")
		}
		return a.report, a.err
	case <-bound.C:
		return report{}, fmt.Errorf("no answer within %v", answerBound)
	}
}

// ask sends a command.
func (s *server) ask(command string) (report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.WriteString(s.stdin, command+"\n"); err != nil {
		return report{}, fmt.Errorf("%s: %s: %w\n%s", s.name, command, err, s.errs)
	}
	r, err := s.answer()
	if err != nil {
		return r, fmt.Errorf("%s: %s: %w\n%s", s.name, command, err, s.errs)
	}
	return r, nil
}

// stop ends the process and waits for it. It may be called more than once.
func (s *server) stop() {
	_ = s.stdin.Close()
	kill := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	for range s.answers { // Wait must come after the last read
	}
	_ = s.cmd.Wait()
}

// ticksPerSecond is the unit of /proc/PID/stat. It is 100 on every Linux that Go
// supports.
const ticksPerSecond = 100

// cpu returns the processor time that the process has used, in all its threads.
func cpu(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("processor time (of Linux): %w", err)
	}
	// The second field is a name in parentheses, which may contain anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("processor time: %d fields in /proc/%d/stat", len(fields), pid)
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * (time.Second / ticksPerSecond), errors.Join(err1, err2)
}

func (s *server) cpu() (time.Duration, error) { return cpu(s.cmd.Process.Pid) }

// rss returns the resident memory of the process, without file pages, which come and go
// as the kernel sees fit.
func (s *server) rss() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("resident memory (of Linux): %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("resident memory: no RssAnon in /proc/%d/status", s.cmd.Process.Pid)
}

// tail keeps the end of what a process writes to stderr.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > 2*tailSize {
		t.text = append([]byte(nil), t.text[len(t.text)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// processor returns the model name of the machine's processor.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
