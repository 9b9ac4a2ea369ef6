package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// shapes is the request and the reply of every operation; the structs inside them
// are found by walking.
var shapes = []any{
	jobsdata.GetPendingJobExecutionsInput{},
	jobsdata.GetPendingJobExecutionsOutput{},
	jobsdata.StartNextPendingJobExecutionInput{},
	jobsdata.StartNextPendingJobExecutionOutput{},
	jobsdata.DescribeJobExecutionInput{},
	jobsdata.DescribeJobExecutionOutput{},
	jobsdata.UpdateJobExecutionInput{},
	jobsdata.UpdateJobExecutionOutput{},
	iot.DescribeEndpointInput{},
	iot.DescribeEndpointOutput{},
	iot.CreateThingInput{},
	iot.CreateThingOutput{},
	iot.DescribeThingInput{},
	iot.DescribeThingOutput{},
	iot.UpdateThingInput{},
	iot.UpdateThingOutput{},
	iot.DeleteThingInput{},
	iot.DeleteThingOutput{},
	iot.ListThingsInput{},
	iot.ListThingsOutput{},
	iot.CreateThingGroupInput{},
	iot.CreateThingGroupOutput{},
	iot.DescribeThingGroupInput{},
	iot.DescribeThingGroupOutput{},
	iot.DeleteThingGroupInput{},
	iot.DeleteThingGroupOutput{},
	iot.ListThingGroupsInput{},
	iot.ListThingGroupsOutput{},
	iot.AddThingToThingGroupInput{},
	iot.AddThingToThingGroupOutput{},
	iot.RemoveThingFromThingGroupInput{},
	iot.RemoveThingFromThingGroupOutput{},
	iot.ListThingsInThingGroupInput{},
	iot.ListThingsInThingGroupOutput{},
	iot.ListThingGroupsForThingInput{},
	iot.ListThingGroupsForThingOutput{},
	iot.CreateJobInput{},
	iot.CreateJobOutput{},
	iot.UpdateJobInput{},
	iot.UpdateJobOutput{},
	iot.AssociateTargetsWithJobInput{},
	iot.AssociateTargetsWithJobOutput{},
	iot.DescribeJobInput{},
	iot.DescribeJobOutput{},
	iot.ListJobsInput{},
	iot.ListJobsOutput{},
	iot.GetJobDocumentInput{},
	iot.GetJobDocumentOutput{},
	iot.CancelJobInput{},
	iot.CancelJobOutput{},
	iot.DeleteJobInput{},
	iot.DeleteJobOutput{},
	iot.DescribeJobExecutionInput{},
	iot.DescribeJobExecutionOutput{},
	iot.CancelJobExecutionInput{},
	iot.CancelJobExecutionOutput{},
	iot.DeleteJobExecutionInput{},
	iot.DeleteJobExecutionOutput{},
	iot.ListJobExecutionsForJobInput{},
	iot.ListJobExecutionsForJobOutput{},
	iot.ListJobExecutionsForThingInput{},
	iot.ListJobExecutionsForThingOutput{},
	iot.CreateKeysAndCertificateInput{},
	iot.CreateKeysAndCertificateOutput{},
	iot.AttachThingPrincipalInput{},
	iot.AttachThingPrincipalOutput{},
	iot.ListThingPrincipalsInput{},
	iot.ListThingPrincipalsOutput{},
	iot.CreateCertificateFromCsrInput{},
	iot.CreateCertificateFromCsrOutput{},
	iot.RegisterCertificateWithoutCAInput{},
	iot.RegisterCertificateWithoutCAOutput{},
	iot.DescribeCertificateInput{},
	iot.DescribeCertificateOutput{},
	iot.ListCertificatesInput{},
	iot.ListCertificatesOutput{},
	iot.UpdateCertificateInput{},
	iot.UpdateCertificateOutput{},
	iot.DeleteCertificateInput{},
	iot.DeleteCertificateOutput{},
	iot.DetachThingPrincipalInput{},
	iot.DetachThingPrincipalOutput{},
	iot.ListThingPrincipalsV2Input{},
	iot.ListThingPrincipalsV2Output{},
	iot.ListPrincipalThingsInput{},
	iot.ListPrincipalThingsOutput{},
	iot.ListPrincipalThingsV2Input{},
	iot.ListPrincipalThingsV2Output{},
	iot.UpdateThingGroupInput{},
	iot.UpdateThingGroupOutput{},
	iot.UpdateThingGroupsForThingInput{},
	iot.UpdateThingGroupsForThingOutput{},
	iot.TagResourceInput{},
	iot.TagResourceOutput{},
	iot.UntagResourceInput{},
	iot.UntagResourceOutput{},
	iot.ListTagsForResourceInput{},
	iot.ListTagsForResourceOutput{},
	iot.CreateThingTypeInput{},
	iot.CreateThingTypeOutput{},
	iot.DescribeThingTypeInput{},
	iot.DescribeThingTypeOutput{},
	iot.ListThingTypesInput{},
	iot.ListThingTypesOutput{},
	iot.UpdateThingTypeInput{},
	iot.UpdateThingTypeOutput{},
	iot.DeprecateThingTypeInput{},
	iot.DeprecateThingTypeOutput{},
	iot.DeleteThingTypeInput{},
	iot.DeleteThingTypeOutput{},
	iot.UpdateEventConfigurationsInput{},
	iot.UpdateEventConfigurationsOutput{},
	iot.DescribeEventConfigurationsInput{},
	iot.DescribeEventConfigurationsOutput{},
}

// notModelled are structs of the two packages that are not shapes of the AWS models.
var notModelled = []string{"jobsdata.Form", "jobsdata.JobExecutionsChanged", "jobsdata.NextJobExecutionChanged"}

func readFacts(t *testing.T, table string) []wire.Row {
	t.Helper()
	rows, err := wire.ParseFacts(table)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// walk visits every struct type that the shapes lead to.
func walk(t *testing.T, visit func(reflect.Type, map[string]reflect.StructField)) {
	seen := map[reflect.Type]bool{}
	var follow func(reflect.Type)
	follow = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		members, nested, err := wire.Fields(typ)
		if err != nil {
			t.Error(err)
			return
		}
		visit(typ, members)
		for _, n := range nested {
			follow(n)
		}
	}
	for _, s := range shapes {
		follow(reflect.TypeOf(s))
	}
}

func TestEveryMemberOfEveryStructIsARowAndEveryRowAMember(t *testing.T) {
	inStructs := map[string]bool{}
	types := map[string]bool{}
	walk(t, func(typ reflect.Type, members map[string]reflect.StructField) {
		types[typ.String()] = true
		for member, sf := range members {
			inStructs[typ.String()+" "+member] = true
			if want := goName(member); sf.Name != want {
				t.Errorf("%s: the field of %s is named %s, expected %s", typ, member, sf.Name, want)
			}
			switch elemKind(sf.Type) {
			case reflect.Slice:
				inStructs[typ.String()+" "+member+"[]"] = true
			case reflect.Map:
				inStructs[typ.String()+" "+member+"{key}"] = true
				inStructs[typ.String()+" "+member+"{value}"] = true
			}
		}
	})
	for _, r := range readFacts(t, wire.FactsTable()) {
		k := r.Shape + " " + r.Member
		if r.Shape == "jobsdata.UpdateJobExecutionOutput" && r.Member == "jobDocument" {
			// JSON text in bytes, which the walk takes for a list
			delete(inStructs, k+"[]")
		}
		if r.Shape == "jobsdata.JobExecution" && r.Member == "jobDocument" {
			delete(inStructs, k+"[]")
		}
		if !inStructs[k] {
			t.Errorf("facts.tsv has %q, the structs do not (twice, or gone?)", k)
		}
		delete(inStructs, k)
		if err := wire.ParseRow(r); err != nil {
			t.Error(err)
		}
	}
	for k := range inStructs {
		t.Errorf("the structs have %q, facts.tsv does not", k)
	}
	for _, name := range declaredStructs(t) {
		if !types[name] && !slices.Contains(notModelled, name) {
			t.Errorf("%s is declared but no shape of this test leads to it", name)
		}
	}
}

// elemKind is the kind of a member, given or pointed to.
func elemKind(t reflect.Type) reflect.Kind {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind()
}

// declaredStructs lists the struct types in the source of the two packages.
func declaredStructs(t *testing.T) (names []string) {
	for _, dir := range []string{"iot", "jobsdata"} {
		files, err := fs.Glob(os.DirFS(dir), "*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), dir+"/"+name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if ts, ok := n.(*ast.TypeSpec); ok {
					if _, ok := ts.Type.(*ast.StructType); ok {
						names = append(names, dir+"."+ts.Name.Name)
					}
				}
				return true
			})
		}
	}
	return names
}

var initialisms = strings.NewReplacer("Ca\x00", "CA", "Id\x00", "ID", "Arn\x00", "ARN", "Url\x00", "URL", "Pem\x00", "PEM", "Mqtt5\x00", "MQTT5", "\x00", "")

// goName is how Go spells AWS's name of a member or shape.
func goName(member string) string {
	var b strings.Builder
	for i, r := range member {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(0) // the end of a word
		}
		b.WriteRune(r)
	}
	name := initialisms.Replace(strings.ToUpper(member[:1]) + b.String()[1:] + "\x00")
	return name
}

// deviations are the cells in which facts.tsv differs from the model on purpose.
var deviations = map[string]string{
	"statusDetails max":              "2.5: at most ten pairs; the model says it in prose",
	"detailsMap max":                 "2.5: at most ten pairs; the model says it in prose",
	"statusDetails{value} max":       "2.5: 1024 characters; the model says it in prose",
	"detailsMap{value} max":          "2.5: 1024 characters; the model says it in prose",
	"stepTimeoutInMinutes min":       "2.5: 1..10080; the model says it in prose",
	"stepTimeoutInMinutes max":       "2.5: 1..10080; the model says it in prose",
	"stepTimeoutInMinutes enum":      "2.5: -1 on update drops the timer; the model says it in prose",
	"inProgressTimeoutInMinutes min": "A.1: 1..10080; the model says it in prose",
	"inProgressTimeoutInMinutes max": "A.1: 1..10080; the model says it in prose",
	"jobId min":                      "1.1: a job id or $next; the model has lost the length of the id",
	"jobId max":                      "1.1: a job id or $next; the model has lost the length of the id",
	"baseRatePerMinute max":          "H: the ceiling of 1000 is a flag, which job.Rollout.Check asks",
	"namespaceId max":                "4.4: the model has no length; it is a part of topics, which have one",
	"clientToken row":                "2.4: MQTT only, and so not in the model of the HTTPS API",
}

func TestFactsAreTheModelsButForReasonedDeviations(t *testing.T) {
	table, err := os.ReadFile("testdata/botocore-facts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	model := map[string]wire.Row{}
	for _, r := range readFacts(t, string(table)) {
		pkg, shape, _ := strings.Cut(r.Shape, ".")
		model[pkg+"."+goName(shape)+" "+r.Member] = r
	}
	if len(model) < 300 {
		t.Fatalf("only %d facts of the model", len(model))
	}
	used := map[string]bool{}
	differ := func(r wire.Row, what, ours, theirs string) {
		if ours == theirs {
			return
		}
		k := r.Member + " " + what
		if deviations[k] == "" {
			t.Errorf("%s %s: %s is %q, the model has %q", r.Shape, r.Member, what, ours, theirs)
		}
		used[k] = true
	}
	for _, r := range readFacts(t, wire.FactsTable()) {
		m, ok := model[r.Shape+" "+r.Member]
		if !ok {
			differ(r, "row", "present", "absent")
			continue
		}
		delete(model, r.Shape+" "+r.Member)
		pattern := "-"
		if r.Pattern != "-" {
			pattern, _ = wire.PatternText(r.Pattern)
		}
		differ(r, "location", r.Location, m.Location)
		differ(r, "required", r.Required, m.Required)
		differ(r, "min", r.Min, m.Min)
		differ(r, "max", r.Max, m.Max)
		differ(r, "pattern", pattern, m.Pattern)
		differ(r, "enum", r.Enum, m.Enum)
	}
	for k := range model {
		t.Errorf("the model has %q, facts.tsv does not", k)
	}
	for k := range deviations {
		if !used[k] {
			t.Errorf("deviation %q is not one (any more)", k)
		}
	}
}

func TestEveryCodeIsSpelled(t *testing.T) {
	for _, c := range job.Codes() {
		if !wire.Spelled(int(c)) {
			t.Errorf("code %d has no line in errors.go", c)
			continue
		}
		s := wire.Spell(c)
		for _, e := range []wire.Exception{s.Data, s.Control} {
			if e.Status < 400 || e.Status > 599 || !strings.HasSuffix(e.Type, "Exception") {
				t.Errorf("code %d (%s): %+v is not an AWS exception", c, s.MQTT, e)
			}
		}
		if s.MQTT == "" || strings.HasSuffix(s.MQTT, "Exception") {
			t.Errorf("code %d: MQTT code %q; expected one of the closed enum, without suffix", c, s.MQTT)
		}
	}
}
