package sioware_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sioware/sioware/wrap"
)

// anyStatus is the code of all refusals by HTTP middleware, in the table and here.
const anyStatus = "http_<status>"

// TestCodes: the tables of docs/clients.md list each code that a package can send to a
// client, and correctly say who sends it, with which status, and whether to retry.
func TestCodes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	advice, senders := rowsOf(string(page), "## The codes"), rowsOf(string(page), "### Who sends what")
	sent, told := map[string][]string{}, 0 // packages, by code; events
	for _, root := range []string{"wrap", "jwtauth", "ratelimit", "session", "logging", "presence"} {
		codes, events := sentBelow(t, root)
		for _, code := range codes {
			sent[code] = append(sent[code], root)
		}
		for _, event := range events {
			told++
			if !strings.Contains(string(page), "`"+event+"`") {
				t.Errorf("the event %q of %s is not on the page", event, root)
			}
		}
	}
	if len(sent) < 15 || told < 4 {
		t.Errorf("found %d events and %d codes: %v", told, len(sent), slices.Sorted(maps.Keys(sent)))
	}
	for _, code := range slices.Sorted(maps.Keys(sent)) {
		if advice[code] == nil {
			t.Errorf("%s, of %v, has no row that says what to do", code, sent[code])
		}
		row := senders[code]
		if len(row) != 4 {
			t.Errorf("%s, of %v, has the row %q among those who send what", code, sent[code], row)
			continue
		}
		if row[0] != "all" && row[0] != strings.Join(slices.Sorted(slices.Values(sent[code])), ", ") {
			t.Errorf("%s is said to be sent by %q, and is by %v", code, row[0], sent[code])
		}
		if code != anyStatus {
			checkAnswer(t, code, row[2], row[3])
		}
	}
	for code := range senders {
		if sent[code] == nil {
			t.Errorf("%s is in the table, and nothing sends it", code)
		}
	}
	for status := 400; status < 600; status++ {
		retryable := "no"
		if slices.Contains([]int{429, 502, 503, 504}, status) {
			retryable = "yes"
		}
		checkAnswer(t, "http_"+strconv.Itoa(status), strconv.Itoa(status), retryable)
	}
}

// checkAnswer compares what the page says about a code with what wrap does with it.
func checkAnswer(t *testing.T, code, status, retryable string) {
	t.Helper()
	e := &wrap.Error{Code: code}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if strconv.Itoa(w.Code) != status {
		t.Errorf("%s has the status %d, not %s", code, w.Code, status)
	}
	if may := e.ClientData()["retryable"] == true; may != (retryable == "yes") {
		t.Errorf("%s is retryable: %v, not %s", code, may, retryable)
	}
}

// rowsOf returns the rows of the first table below a heading, by the code in their
// first cell.
func rowsOf(page, heading string) map[string][]string {
	_, rest, _ := strings.Cut(page, heading+"\n")
	rows := map[string][]string{}
	for line := range strings.Lines(rest) {
		switch {
		case strings.HasPrefix(line, "| `"):
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows[strings.Trim(cells[0], "`")] = cells[1:]
		case !strings.HasPrefix(line, "|") && len(rows) > 0:
			return rows
		}
	}
	return rows
}

// sentBelow returns the codes of the errors that the packages in a directory create, and
// the events that they send. It parses the source, and fails if a code is written in a
// way that it does not understand.
func sentBelow(t *testing.T, root string) (codes, events []string) {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || strings.HasSuffix(path, "test") { // packages for tests
			return err
		}
		s := sources{files: token.NewFileSet(), consts: map[string]string{}, lists: map[string][]string{}}
		names, err := filepath.Glob(filepath.Join(path, "*.go"))
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(s.files, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			s.parsed = append(s.parsed, file)
		}
		s.declare()
		for _, code := range s.codes(t, root == "wrap") {
			found[code] = true
		}
		events = append(events, s.events...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(maps.Keys(found)), events
}

// sources are the source files of one package.
type sources struct {
	files  *token.FileSet
	parsed []*ast.File
	consts map[string]string   // strings, by name
	lists  map[string][]string // the values of maps of strings, by name
	events []string            // those sent, once codes has looked for them
}

// declare collects constants and maps of strings.
func (s *sources) declare() {
	s.specs(func(v *ast.ValueSpec) {
		for i, value := range v.Values {
			if text, ok := literal(value); ok {
				s.consts[v.Names[i].Name] = text
			}
		}
	})
	s.specs(func(v *ast.ValueSpec) {
		for i, value := range v.Values {
			list, ok := value.(*ast.CompositeLit)
			if !ok {
				continue
			}
			for _, e := range list.Elts {
				if pair, ok := e.(*ast.KeyValueExpr); ok {
					s.lists[v.Names[i].Name] = append(s.lists[v.Names[i].Name], s.values(pair.Value, nil)...)
				}
			}
		}
	})
}

func (s *sources) specs(f func(*ast.ValueSpec)) {
	for _, file := range s.parsed {
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				f(v)
			}
			return true
		})
	}
}

// codes returns the codes of wrap.Error literals, of refusal.New and of assignments to
// Code.
func (s *sources) codes(t *testing.T, inWrap bool) (all []string) {
	t.Helper()
	note := func(e ast.Expr, within ast.Node) {
		codes := s.values(e, within)
		if len(codes) == 0 {
			t.Errorf("%v: which code is that?", s.files.Position(e.Pos()))
		}
		all = append(all, codes...)
	}
	for _, file := range s.parsed {
		for _, decl := range file.Decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					if kind := nameOf(n.Type); kind != "wrap.Error" && (kind != "Error" || !inWrap) {
						break
					}
					code := ast.Expr(&ast.BasicLit{Kind: token.STRING, Value: `"internal"`})
					for _, e := range n.Elts {
						if pair, ok := e.(*ast.KeyValueExpr); ok && nameOf(pair.Key) == "Code" {
							code = pair.Value
						}
					}
					note(code, decl)
				case *ast.CallExpr:
					switch nameOf(n.Fun) {
					case "refusal.New", "refused.New":
						note(n.Args[0], decl)
					case "wire.Emit":
						s.events = append(s.events, s.values(n.Args[1], decl)...)
					}
				case *ast.AssignStmt:
					for i, left := range n.Lhs {
						if field, ok := left.(*ast.SelectorExpr); ok && field.Sel.Name == "Code" && len(n.Rhs) == len(n.Lhs) {
							note(n.Rhs[i], decl)
						}
					}
				}
				return true
			})
		}
	}
	return all
}

// values returns the strings that e may evaluate to, in a function.
func (s *sources) values(e ast.Expr, within ast.Node) (all []string) {
	if text, ok := literal(e); ok {
		return []string{text}
	}
	switch e := e.(type) {
	case *ast.Ident:
		if text, ok := s.consts[e.Name]; ok {
			return []string{text}
		}
		if within == nil {
			return nil
		}
		ast.Inspect(within, func(n ast.Node) bool {
			if set, ok := n.(*ast.AssignStmt); ok && len(set.Lhs) == len(set.Rhs) {
				for i, left := range set.Lhs {
					if nameOf(left) == e.Name {
						all = append(all, s.values(set.Rhs[i], nil)...)
					}
				}
			}
			return true
		})
	case *ast.IndexExpr:
		return s.lists[nameOf(e.X)]
	case *ast.CallExpr:
		if format, _ := literal(e.Args[0]); nameOf(e.Fun) == "fmt.Sprintf" && format == "http_%d" {
			return []string{anyStatus}
		}
	}
	return all
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// nameOf returns a name, such as "Code" or "wrap.Error".
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return ""
}
