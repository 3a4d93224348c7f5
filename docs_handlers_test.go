package sioware_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestHandlers: no event handler in the examples, and so in the pages, can be made to
// panic by a client that omits or changes arguments: each checks the number of arguments
// before it uses one, and makes no type assertion without ok.
func TestHandlers(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*/example*_test.go", "*/*/example*_test.go", "examples/*/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	fset := token.NewFileSet()
	handlers := 0
	for _, name := range files {
		if strings.HasPrefix(name, "examples/") && strings.HasSuffix(name, "_test.go") {
			continue // talks only to its own clients
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			event, body := handler(n)
			switch event {
			case "":
			case "connection": // the argument is the host's
			case "exchange": // a wrap.Packet has checked the number
			default:
				handlers++
				for _, pos := range unguarded(body) {
					t.Errorf("%v: a client can end the process by leaving out or changing this argument", fset.Position(pos))
				}
			}
			return true
		})
	}
	if handlers < 6 {
		t.Errorf("found %d handlers", handlers)
	}
}

// handler returns the event and the body of x.On(event, func(args ...any) {...}), or zero
// values for anything else.
func handler(n ast.Node) (event string, body *ast.BlockStmt) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return "", nil
	}
	sel, isMethod := call.Fun.(*ast.SelectorExpr)
	f, isFunc := call.Args[1].(*ast.FuncLit)
	if !isMethod || sel.Sel.Name != "On" && sel.Sel.Name != "Once" || !isFunc || !takesArgs(f) {
		return "", nil
	}
	event = "a variable"
	if lit, ok := call.Args[0].(*ast.BasicLit); ok {
		event, _ = strconv.Unquote(lit.Value)
	}
	return event, f.Body
}

func takesArgs(f *ast.FuncLit) bool {
	list := f.Type.Params.List
	return len(list) == 1 && len(list[0].Names) == 1 && list[0].Names[0].Name == "args"
}

// unguarded returns where args[...] is used before any check of len(args), or in a type
// assertion without ok.
func unguarded(body *ast.BlockStmt) (found []token.Pos) {
	isArgs := func(e ast.Expr) bool {
		id, ok := e.(*ast.Ident)
		return ok && id.Name == "args"
	}
	counted := false
	checked := make(map[ast.Expr]bool) // assertions that have an ok
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return !takesArgs(n) // a handler within the handler has its own
		case *ast.CallExpr:
			id, ok := n.Fun.(*ast.Ident)
			counted = counted || ok && id.Name == "len" && isArgs(n.Args[0])
		case *ast.AssignStmt:
			if len(n.Lhs) == 2 && len(n.Rhs) == 1 {
				checked[n.Rhs[0]] = true
			}
		case *ast.TypeAssertExpr:
			index, ok := n.X.(*ast.IndexExpr)
			if ok && isArgs(index.X) && n.Type != nil && !checked[n] {
				found = append(found, n.Pos())
			}
		case *ast.IndexExpr:
			if !isArgs(n.X) {
				break
			}
			if !counted {
				found = append(found, n.Pos())
			}
			return false // do not look inside
		}
		return true
	})
	return found
}
