package logging

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

// TestSampler: the first ones, then one in every, in each second; nothing is lost.
func TestSampler(t *testing.T) {
	t.Parallel()
	s := newSampler(3, 10)
	for second := range 3 {
		at := time.Duration(second) * time.Second
		var written []string
		for i := range 35 {
			if write, dropped := s.take("a", at+time.Duration(i)*time.Millisecond); write {
				written = append(written, fmt.Sprint(i+1, ":", dropped))
			}
		}
		want := "[1:0 2:0 3:0 13:9 23:9 33:9]"
		if second > 0 {
			want = "[1:2 2:0 3:0 13:9 23:9 33:9]" // those of the previous second
		}
		if fmt.Sprint(written) != want {
			t.Errorf("second %d: %v, want %v", second, written, want)
		}
	}
}

func TestSamplerConcurrent(t *testing.T) {
	t.Parallel()
	s := newSampler(2, 7)
	var wg sync.WaitGroup
	var written, dropped atomic.Int64
	const workers, each = 8, 20_000
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				at := time.Duration(i/1000) * time.Second
				if write, n := s.take(fmt.Sprint(w%2), at); write {
					written.Add(1)
					dropped.Add(n)
				}
			}
		})
	}
	wg.Wait()
	for i := range s.table {
		dropped.Add(s.table[i].dropped.Load())
	}
	if got := written.Load() + dropped.Load(); got != workers*each {
		t.Errorf("%d written, %d dropped, %d in all", written.Load(), dropped.Load(), got)
	}
}

func TestCutName(t *testing.T) {
	token := "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0." +
		"SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
	for _, name := range []string{
		"", "short", strings.Repeat("x", 64), strings.Repeat("x", 65), strings.Repeat("é", 40), "a" + strings.Repeat("€", 40),
		strings.Repeat("\xff", 100), strings.Repeat("y ", 1<<20), token, "x " + token, strings.Repeat("z", 40) + " " + token,
	} {
		got := cutName(name)
		if len(got) > maxName || utf8.ValidString(name) && !utf8.ValidString(got) {
			t.Errorf("%q", got)
		}
		if strings.Contains(got, "eyJ") {
			t.Errorf("%q of a token", got)
		}
		if len(name) <= maxName && got != name {
			t.Errorf("%q is cut to %q", name, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { cutName("message") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBare(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "null": "", "https://a.example/b/c?token=1#d": "https://a.example/b/c", "https://u:p@a.example/": "https://a.example/",
		"http://%zz": "", "javascript:alert(1)": "", "/path?x": "/path", strings.Repeat("x", 5000): "",
	} {
		if got := withoutQuery(in); got != want {
			t.Errorf("bare(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	if classOf("ping timeout") != ClassTimeout || classOf("something new") != ClassUnknown || classOf("parse error") != ClassProtocol ||
		classOf("transport error") != ClassNetwork {
		t.Error("classes")
	}
}
