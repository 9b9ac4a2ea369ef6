package internal_test

import (
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

// notPlanned are parts of the names of AWS IoT's operations that docs/compat.md
// sums up in words, because they are no part of running jobs.
var notPlanned = regexp.MustCompile(`Audit|SecurityProfile|Violation|BillingGroup|CertificateTransfer|TransferCertificate|` +
	`OutgoingCertificates|CertificateProvider|Command|CustomMetric|Dimension|DomainConfiguration|EncryptionConfiguration|` +
	`FleetMetric|Logging|MitigationAction|OTAUpdate|Package|Sbom|Provisioning|RegisterThing|ThingRegistration|RoleAlias|` +
	`TopicRule|Stream|Authorizer|BehaviorModel|MetricValues`)

// TestCompatNamesEveryOperationOfAWS holds docs/compat.md against the tables of
// operations: whoever looks one up must find what Drover does with it.
func TestCompatNamesEveryOperationOfAWS(t *testing.T) {
	page, err := os.ReadFile("../docs/compat.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, table := range []string{"wire/iot/operations.tsv", "wire/jobsdata/operations.tsv"} {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			name, _, _ := strings.Cut(line, "\t")
			if name == "operation" || strings.HasPrefix(name, "#") {
				continue
			}
			known[name] = true
			if listed := strings.Contains(string(page), "`"+name+"`"); !listed && !notPlanned.MatchString(name) {
				t.Errorf("docs/compat.md does not say what happens to %s", name)
			}
		}
	}
	if len(known) < 270 {
		t.Errorf("only %d operations found in the tables of wire", len(known))
	}
}

// TestPagesPointAtTestsThatExist keeps the evidence columns honest.
func TestPagesPointAtTestsThatExist(t *testing.T) {
	tests := testNames(t)
	for path, least := range map[string]int{"../docs/compat.md": 40, "../docs/devices.md": 12} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cited := regexp.MustCompile("`(Test[A-Za-z0-9_]+|[a-z0-9-]+\\.txtar)`").FindAllStringSubmatch(string(page), -1)
		for _, name := range cited {
			if !slices.Contains(tests, name[1]) && name[1] != "TestAuthorization" { // which is an operation
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
