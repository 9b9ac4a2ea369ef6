package internal_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("update", false, "write the tables of docs/compat.md anew")

// scoped is a row of the tables of wire: an operation, or a member of one.
type scoped struct{ name, scope, area string }

// tableOf reads a table of wire, the columns after its line of names.
func tableOf(t *testing.T, path string, columns int) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(row) != columns {
			t.Fatalf("%s: %q has %d columns, want %d", path, line, len(row), columns)
		}
		rows = append(rows, row)
	}
	return rows[1:]
}

func scopedOperations(t *testing.T) (rows []scoped) {
	t.Helper()
	for _, service := range []string{"iot", "jobsdata"} {
		for _, r := range tableOf(t, "wire/"+service+"/scope.tsv", 3) {
			rows = append(rows, scoped{r[0], r[1], r[2]})
		}
	}
	return rows
}

// scopedMembers are the outermost members that are not here.
func scopedMembers(t *testing.T) (rows []scoped) {
	t.Helper()
	outer := "-"
	for _, r := range tableOf(t, "wire/members.tsv", 4) {
		_, operation, _ := strings.Cut(r[0], ".")
		name := operation + " " + r[1]
		if r[2] == "in" || strings.HasPrefix(name, outer+".") || strings.HasPrefix(name, outer+"[") || strings.HasPrefix(name, outer+"{") {
			continue
		}
		outer = name
		value, area, ok := strings.Cut(r[3], "=")
		if !ok {
			value, area = "", r[3]
		} else {
			value = "` `" + value
		}
		rows = append(rows, scoped{"`" + operation + "` `" + r[1] + value + "`", r[2], area})
	}
	return rows
}

// TestCompatHasTheScopeOfEverything holds docs/compat.md against the tables of
// wire: whoever looks an operation or a member up must find what Drover does.
func TestCompatHasTheScopeOfEverything(t *testing.T) {
	const path = "../docs/compat.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	operations, members := scopedOperations(t), scopedMembers(t)
	page := string(text)
	for scope, next := range map[string]string{"later": "until then", "never": "why, or what to do"} {
		var b strings.Builder
		b.WriteString("\n| area | operations | members of what is there | " + next + " |\n| --- | --- | --- | --- |\n")
		for _, area := range tableOf(t, "wire/areas.tsv", 2) {
			var cells [2][]string
			for _, o := range operations {
				if o.scope == scope && o.area == area[0] {
					cells[0] = append(cells[0], "`"+o.name+"`")
				}
			}
			for _, m := range members {
				if m.scope == scope && m.area == area[0] {
					cells[1] = append(cells[1], m.name)
				}
			}
			if len(cells[0])+len(cells[1]) > 0 {
				b.WriteString("| " + area[0] + " | " + strings.Join(cells[0], ", ") + " | " + strings.Join(cells[1], ", ") + " | " + strings.TrimPrefix(area[1], "Until then ") + " |\n")
			}
		}
		table := regexp.MustCompile(`(<!-- ` + scope + `: .* -->\n)[^<]*`)
		if found := table.FindString(page); found == "" {
			t.Fatalf("%s has no place for what is %s", path, scope)
		} else if _, have, _ := strings.Cut(found, "\n"); have != b.String()+"\n" && !*rewrite {
			t.Errorf("%s does not say what is %s as the tables of wire do; go test ./internal -run %s -update", path, scope, t.Name())
		}
		page = table.ReplaceAllStringFunc(page, func(found string) string {
			marker, _, _ := strings.Cut(found, "\n")
			return marker + "\n" + b.String() + "\n"
		})
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil { //nolint:gosec // as a checkout has it
			t.Fatal(err)
		}
	}
	// What is there has a row of its own, with the tests that show it.
	for _, o := range operations {
		row := regexp.MustCompile("(?m)^\\| [^|]*`" + o.name + "`[^|]*\\|.*\\| .*`Test.*\\|$").MatchString(page)
		if o.scope == "in" && !row {
			t.Errorf("%s has no row for %s with a test, and it is in", path, o.name)
		}
	}
	if len(operations) != 277 || len(members) == 0 {
		t.Errorf("%d operations and %d members found in the tables of wire", len(operations), len(members))
	}
}

// TestPagesPointAtTestsThatExist keeps the evidence columns honest.
func TestPagesPointAtTestsThatExist(t *testing.T) {
	tests := testNames(t)
	for _, o := range scopedOperations(t) {
		if strings.HasPrefix(o.name, "Test") { // TestAuthorization is an operation
			tests = append(tests, o.name)
		}
	}
	for path, least := range map[string]int{"../docs/compat.md": 40, "../docs/devices.md": 12} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cited := regexp.MustCompile("`(Test[A-Za-z0-9_]+|[a-z0-9-]+\\.txtar)`").FindAllStringSubmatch(string(page), -1)
		for _, name := range cited {
			if !slices.Contains(tests, name[1]) {
				t.Errorf("%s cites %s, which is no test of this repository", path, name[1])
			}
		}
		if len(cited) < least {
			t.Errorf("%s cites only %d tests", path, len(cited))
		}
	}
}

// testNames are all test functions of all modules, and all conversations.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if err == nil && strings.HasPrefix(entry.Name(), ".") && path != ".." {
				return filepath.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, ".txtar") {
			names = append(names, entry.Name())
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names = append(names, f.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
