// Package internal_test holds the doors of the house shut: which room may import
// which, what the pure rooms may never touch, that every room says what it is,
// and that no file outgrows a reader. The table below is the law; design.md
// section 1 is its reason.
package internal_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/drover-iot/drover"

// maxLines is the length at which a file is due for a split.
const maxLines = 500

// longFiles are the files that may be longer, each with its reason.
var longFiles = map[string]string{}

// A door is what one room may import. The standard library is open unless noStd
// names a package (with everything below it); rooms and libs are allow-lists.
type door struct {
	room     string   // path below the module
	rooms    []string // rooms it may import; "x/..." opens what is below x too
	libs     []string // modules of others it may import
	noStd    []string // parts of the standard library it may not
	timeless bool     // it may not ask what time it is: `now` is a value, or a clock.Clock
}

var (
	rules    = []string{"internal/job", "internal/registry"}
	noIO     = []string{"os", "io", "bufio", "log", "net", "database/sql", "encoding/json", "syscall", "embed", "math/rand", "crypto/rand", "runtime", "sync"}
	noHTTP   = []string{"net/http", "database/sql"}
	noSQL    = []string{"database/sql"}
	jsonLib  = "github.com/go-json-experiment/json"
	uuidLib  = "github.com/google/uuid"
	testLibs = []string{"pgregory.net/rapid", "github.com/google/go-cmp"}
)

// house is every room with its door, in the order of design.md section 1.
var house = []door{
	{room: "cmd/drover", rooms: []string{"internal/app", "internal/cli"}, libs: []string{"github.com/alecthomas/kong"}, noStd: noHTTP},
	{room: "drovertest", rooms: []string{"internal/server", "internal/clock"}, noStd: noSQL},

	{room: "internal/job", noStd: noIO, timeless: true},
	{room: "internal/registry", rooms: []string{"internal/job"}, noStd: noIO, timeless: true},
	{room: "internal/shadow", rooms: rules, noStd: noIO, timeless: true},
	{room: "internal/policy", rooms: rules, noStd: noIO, timeless: true},

	{room: "internal/wire", rooms: with(rules, "internal/shadow", "internal/wire/..."), libs: []string{jsonLib}, noStd: noHTTP, timeless: true},
	{room: "internal/auth", rooms: with(rules, "internal/clock", "internal/policy", "internal/wire/..."), noStd: noSQL},

	{room: "internal/store", rooms: with(rules, "internal/clock"), noStd: noHTTP},
	{room: "internal/store/storetest", rooms: with(rules, "internal/clock", "internal/store"), libs: testLibs, noStd: noHTTP},
	{
		room: "internal/store/sqlite", rooms: with(rules, "internal/clock", "internal/store"),
		libs:  []string{"zombiezen.com/go/sqlite", "modernc.org/sqlite", jsonLib, "golang.org/x/sync", "golang.org/x/sys"},
		noStd: []string{"net"},
	},
	{
		room: "internal/store/postgres", rooms: with(rules, "internal/clock", "internal/store"),
		libs:  []string{"github.com/jackc/pgx/v5", "golang.org/x/sync"},
		noStd: []string{"net/http"},
	},

	{
		room: "internal/ops", rooms: with(rules, "internal/shadow", "internal/wire/...", "internal/policy", "internal/store", "internal/clock"),
		libs: []string{uuidLib}, noStd: noHTTP, timeless: true,
	},
	{
		room: "internal/sched", rooms: with(rules, "internal/ops", "internal/store", "internal/clock"),
		noStd: noHTTP, timeless: true,
	},

	{room: "internal/broker", rooms: []string{"internal/broker/...", "internal/clock"}, noStd: noHTTP},
	{room: "internal/broker/brokertest", rooms: []string{"internal/broker/...", "internal/clock"}, libs: testLibs, noStd: noHTTP},
	{
		room:  "internal/mqtt",
		rooms: with(rules, "internal/shadow", "internal/broker/...", "internal/ops", "internal/wire/...", "internal/auth", "internal/policy", "internal/clock", "internal/fault"),
		noStd: noHTTP,
	},
	{
		room: "internal/rest", rooms: with(rules, "internal/shadow", "internal/ops", "internal/wire/...", "internal/auth", "internal/policy", "internal/clock", "internal/fault", "internal/websocket"),
		libs: []string{uuidLib, jsonLib}, noStd: noSQL,
	},
	{room: "internal/websocket", noStd: noSQL},
	{room: "internal/fault", rooms: []string{"internal/job"}, noStd: noHTTP, timeless: true},
	{
		room:  "internal/devapi",
		rooms: with(rules, "internal/rest", "internal/ops", "internal/wire/...", "internal/virtual", "internal/fault"),
		libs:  []string{jsonLib}, noStd: noHTTP, timeless: true,
	},
	{room: "internal/console", rooms: with(rules, "internal/ops", "internal/wire/...", "internal/clock"), noStd: noSQL},

	{
		room:  "internal/cli",
		rooms: with(rules, "internal/cli/...", "internal/wire/...", "internal/auth", "internal/sim"),
		libs: []string{
			"github.com/alecthomas/kong", "github.com/jmespath/go-jmespath", "charm.land/lipgloss/v2",
			"github.com/mattn/go-isatty", jsonLib, "golang.org/x/sys",
		},
		noStd: noSQL,
	},
	{
		room: "internal/cli/awscli", rooms: with(rules, "internal/cli/awscli/...", "internal/wire/..."),
		libs: []string{"golang.org/x/text"}, noStd: []string{"net", "os", "database/sql"}, timeless: true,
	},
	{
		room:  "internal/sim",
		rooms: with(rules, "internal/wire/...", "internal/clock"),
		libs:  []string{"github.com/HdrHistogram/hdrhistogram-go", jsonLib},
		noStd: noSQL,
	},
	{room: "internal/clock"},
	{room: "internal/virtual", rooms: []string{"internal/clock", "internal/sched"}, noStd: noHTTP, timeless: true},

	// The composition root may see everything; that is what it is for.
	{
		room: "internal/server", rooms: []string{"internal/..."},
		libs: []string{"github.com/lmittmann/tint", "github.com/mattn/go-isatty", "golang.org/x/sync"},
	},
	{
		room:  "internal/app",
		rooms: with(rules, "internal/server", "internal/sim", "internal/cli", "internal/clock", "internal/wire/..."),
		libs: []string{
			"github.com/alecthomas/kong", "go.yaml.in/yaml/v4", "github.com/lmittmann/tint", "github.com/mattn/go-isatty",
			"charm.land/lipgloss/v2", "golang.org/x/sync",
		},
		noStd: noSQL,
	},

	// What measures and what converses are clients, and not in the binary.
	{
		room: "bench", rooms: with(rules, "internal/sim/..."),
		libs: []string{"github.com/HdrHistogram/hdrhistogram-go", "golang.org/x/sys"}, noStd: noSQL,
	},
	{room: "internal/crash", rooms: []string{"internal/sim/..."}, noStd: noSQL},
	{
		room: "internal/conversation", rooms: with(rules, "internal/server", "internal/sim/...", "internal/clock", "internal/wire/..."),
		libs: []string{"golang.org/x/tools/txtar", jsonLib}, noStd: noSQL,
	},
}

// outside says whether a room is no part of the binary, so that it may import
// what belongs in tests: contracts that tests share, and tests that are rooms.
func outside(room string) bool {
	return strings.HasSuffix(room, "test") || room == "internal/conversation" || room == "internal/crash"
}

// sealed rooms may not reach the others even through a third room: what they
// know of Drover they learn from its public API.
var sealed = map[string][]string{
	"internal/cli":   {"internal/ops", "internal/store", "internal/server"},
	"internal/sim":   {"internal/ops", "internal/store", "internal/server"},
	"bench":          {"internal/ops", "internal/store", "internal/server"},
	"internal/crash": {"internal/ops", "internal/store", "internal/server"},
}

func with(base []string, more ...string) []string { return append(slices.Clone(base), more...) }

// A pkg is what the checker knows of one package: its files without their tests.
type pkg struct {
	path    string // below the module
	imports map[string]string
	asks    []string // places that ask for the time, as file:line: time.Now
	doc     bool
	lines   map[string]int
}

// check returns what is wrong with p, one sentence each.
func check(house []door, p pkg) (wrong []string) {
	i := slices.IndexFunc(house, func(d door) bool { return d.room == p.path })
	if i < 0 {
		i = nearest(house, p.path)
	}
	if i < 0 {
		return []string{fmt.Sprintf("%s has no door: give it a row in the table of internal/arch_test.go", p.path)}
	}
	d := house[i]
	for _, imp := range slices.Sorted(maps.Keys(p.imports)) {
		if reason := d.refuses(p.path, imp); reason != "" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", p.imports[imp], imp, reason))
		}
	}
	if d.timeless {
		for _, where := range p.asks {
			wrong = append(wrong, where+": "+d.room+" may not ask for the time; take `now` as a value, or a clock.Clock")
		}
	}
	if !p.doc {
		wrong = append(wrong, p.path+" has no package comment: say in doc.go what the room is for")
	}
	for _, file := range slices.Sorted(maps.Keys(p.lines)) {
		if n := p.lines[file]; n > maxLines && longFiles[file] == "" {
			wrong = append(wrong, fmt.Sprintf("%s has %d lines, more than %d: split it, or give longFiles its reason", file, n, maxLines))
		}
	}
	return wrong
}

// nearest is the row of the closest room above path: a package inside a room
// has the room's door.
func nearest(house []door, path string) int {
	best := -1
	for i, d := range house {
		if strings.HasPrefix(path, d.room+"/") && (best < 0 || len(d.room) > len(house[best].room)) {
			best = i
		}
	}
	return best
}

// refuses says why the package at path may not import imp, or "".
func (d door) refuses(path, imp string) string {
	below, ours := strings.CutPrefix(imp, module+"/")
	switch {
	case ours && (below == d.room || slices.ContainsFunc(d.rooms, func(r string) bool { return opens(r, below) })):
		return ""
	case ours && strings.HasPrefix(below, d.room+"/") && isPart(d, below):
		return ""
	case ours:
		return d.room + " may import only " + strings.Join(d.rooms, ", ")
	case strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
		if slices.ContainsFunc(d.libs, func(lib string) bool { return imp == lib || strings.HasPrefix(imp, lib+"/") }) {
			return ""
		}
		return d.room + " may use only these libraries: " + strings.Join(d.libs, ", ")
	case slices.ContainsFunc(d.noStd, func(s string) bool { return imp == s || strings.HasPrefix(imp, s+"/") }):
		return d.room + " may not know it (design.md section 1)"
	}
	return ""
}

// isPart says whether the package below, which lies inside d's room, has no door
// of its own.
func isPart(d door, below string) bool {
	return !slices.ContainsFunc(house, func(other door) bool {
		return other.room != d.room && opens(other.room+"/...", below)
	})
}

// opens says whether the pattern of a rooms list lets the path through.
func opens(pattern, path string) bool {
	base, deep := strings.CutSuffix(pattern, "/...")
	return path == base || deep && strings.HasPrefix(path, base+"/")
}

// reach is every room that from imports, directly or not, with the way there.
func reach(pkgs map[string]pkg, from string) map[string]string {
	seen := map[string]string{from: from}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for imp := range pkgs[queue[0]].imports {
			below, ours := strings.CutPrefix(imp, module+"/")
			if _, known := seen[below]; ours && !known {
				seen[below] = seen[queue[0]] + " -> " + below
				queue = append(queue, below)
			}
		}
	}
	return seen
}

func TestEveryRoomKeepsItsDoor(t *testing.T) {
	pkgs := load(t)
	for _, path := range slices.Sorted(maps.Keys(pkgs)) {
		for _, wrong := range check(house, pkgs[path]) {
			t.Error(wrong)
		}
	}
}

func TestSealedRoomsNeverReachTheServerBehindTheAPI(t *testing.T) {
	pkgs := load(t)
	for from, never := range sealed {
		ways := reach(pkgs, from)
		for _, room := range never {
			if way, found := ways[room]; found {
				t.Errorf("%s knows Drover by its public API only, but %s", from, way)
			}
		}
	}
}

func TestNoPackageOfTheProductImportsATestingPackage(t *testing.T) {
	for path, p := range load(t) {
		for imp, file := range p.imports {
			below, _ := strings.CutPrefix(imp, module+"/")
			if !outside(path) && (imp == "testing" || imp == "net/http/httptest" || outside(below)) {
				t.Errorf("%s imports %s: it belongs in tests", file, imp)
			}
		}
	}
}

func TestMainIsSmallEnoughToReadAtAGlance(t *testing.T) {
	if n := load(t)["cmd/drover"].lines["cmd/drover/main.go"]; n > 40 {
		t.Errorf("cmd/drover/main.go has %d lines, at most 40 are allowed: main parses and calls cli.Run or app.Run", n)
	}
}

// TestThePlantedViolationIsFound proves that the checker can fail: each row is a
// house with one fault.
func TestThePlantedViolationIsFound(t *testing.T) {
	ours := func(room string) string { return module + "/" + room }
	for _, row := range []struct {
		name, path, imp, want string
	}{
		{"a rule reads JSON", "internal/job", "encoding/json", "may not know it"},
		{"a rule logs", "internal/registry", "log/slog", "may not know it"},
		{"a rule does I/O", "internal/policy", "os", "may not know it"},
		{"a rule uses a library", "internal/job", "github.com/google/uuid", "only these libraries"},
		{"wire knows HTTP", "internal/wire/iot", "net/http", "may not know it"},
		{"an operation knows HTTP", "internal/ops", "net/http", "may not know it"},
		{"an operation knows the broker", "internal/ops", ours("internal/broker"), "may import only"},
		{"the HTTP adapter touches the store", "internal/rest", ours("internal/store"), "may import only"},
		{"the MQTT adapter touches a store", "internal/mqtt", ours("internal/store/sqlite"), "may import only"},
		{"the broker knows Jobs", "internal/broker", ours("internal/job"), "may import only"},
		{"the store's interface knows an engine", "internal/store", ours("internal/store/sqlite"), "may import only"},
		{"one engine knows the other", "internal/store/sqlite", ours("internal/store/postgres"), "may import only"},
		{"the CLI opens the store", "internal/cli", ours("internal/store"), "may import only"},
		{"the simulator starts a server", "internal/sim", ours("internal/server"), "may import only"},
		{"main composes", "cmd/drover", ours("internal/server"), "may import only"},
		{"a room without a door", "internal/helper", "fmt", "has no door"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := pkg{path: row.path, imports: map[string]string{row.imp: "planted.go"}, doc: true}
			if wrong := check(house, p); len(wrong) != 1 || !strings.Contains(wrong[0], row.want) {
				t.Errorf("got %q, want one sentence with %q", wrong, row.want)
			}
		})
	}
	for name, p := range map[string]pkg{
		"may not ask for the time": {path: "internal/job", doc: true, asks: []string{"rule.go:7: time.Now"}},
		"has no package comment":   {path: "internal/job"},
		"has 501 lines":            {path: "internal/job", doc: true, lines: map[string]int{"internal/job/long.go": maxLines + 1}},
	} {
		if wrong := check(house, p); len(wrong) != 1 || !strings.Contains(wrong[0], name) {
			t.Errorf("got %q, want one sentence with %q", wrong, name)
		}
	}
	pkgs := map[string]pkg{
		"internal/cli":  {imports: map[string]string{ours("internal/auth"): ""}},
		"internal/auth": {imports: map[string]string{ours("internal/store"): ""}},
	}
	if way := reach(pkgs, "internal/cli")["internal/store"]; way != "internal/cli -> internal/auth -> internal/store" {
		t.Errorf("the way from cli to store was not found: %q", way)
	}
	src := "package p\nimport clk \"time\"\nvar a, b = clk.Now(), clk.Unix(0, 0)\n"
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	if asks := asksForTime(file); len(asks) != 1 {
		t.Errorf("got %d questions for the time behind a renamed import, want 1", len(asks))
	}
}

func TestTheHouseLetsTheRightImportsThrough(t *testing.T) {
	for path, imp := range map[string]string{
		"internal/wire/jobsdata":   module + "/internal/wire",
		"internal/broker":          module + "/internal/broker/packet",
		"internal/store/sqlite":    module + "/internal/store",
		"internal/server":          module + "/internal/store/postgres",
		"internal/rest":            "net/http",
		"internal/cli/internal/ui": module + "/internal/cli",
	} {
		if wrong := check(house, pkg{path: path, imports: map[string]string{imp: "a.go"}, doc: true}); wrong != nil {
			t.Errorf("%s may import %s, but: %q", path, imp, wrong)
		}
	}
}

// load parses every package of the module, without tests, generated files and
// the modules nested in it.
func load(t *testing.T) map[string]pkg {
	t.Helper()
	pkgs := map[string]pkg{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			if path != ".." && (nested == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		return add(pkgs, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) == 0 {
		t.Fatal("no package found: is this test still one folder below the module?")
	}
	return pkgs
}

func add(pkgs map[string]pkg, path string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	below, _ := filepath.Rel("..", path)
	below = filepath.ToSlash(below)
	dir := below[:max(strings.LastIndexByte(below, '/'), 0)]
	p, known := pkgs[dir]
	if !known {
		p = pkg{path: dir, imports: map[string]string{}, lines: map[string]int{}}
	}
	for _, spec := range file.Imports {
		p.imports[strings.Trim(spec.Path.Value, `"`)] = below
	}
	for _, ask := range asksForTime(file) {
		p.asks = append(p.asks, fmt.Sprintf("%s:%d: time.%s", below, fset.Position(ask.Pos()).Line, ask.Sel.Name))
	}
	p.doc = p.doc || file.Doc != nil
	if !ast.IsGenerated(file) {
		p.lines[below] = bytes.Count(src, []byte("\n"))
	}
	pkgs[dir] = p
	return nil
}

// asksForTime finds the uses of package time that read a clock or wait on one.
func asksForTime(file *ast.File) (asks []*ast.SelectorExpr) {
	name := ""
	for _, spec := range file.Imports {
		if spec.Path.Value == `"time"` {
			name = "time"
			if spec.Name != nil {
				name = spec.Name.Name
			}
		}
	}
	clocks := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if ok && name != "" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == name && slices.Contains(clocks, sel.Sel.Name) {
				asks = append(asks, sel)
			}
		}
		return true
	})
	return asks
}
