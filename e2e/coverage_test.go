package e2e

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wireTables are the server's own tables of what it has of AWS's models.
const wireTables = "../internal/wire/"

// apiMembers are the requests of a service's operations that are in, by the name
// that the AWS CLI gives the operation.
type apiMembers map[string]*apiRequest

type apiRequest struct {
	name    string   // AWS's, with the package of its shapes
	members []string // that are in, as members.tsv names them
}

// servicePackages are the packages of the shapes by the AWS CLI's name of a service.
var servicePackages = map[string]string{"iot": "iot", "iot-jobs-data": "jobsdata"}

func tableRows(t *testing.T, path string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(wireTables + path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		}
	}
	return rows[1:]
}

func readAPI(t *testing.T) map[string]apiMembers {
	t.Helper()
	api := map[string]apiMembers{}
	byName := map[string]*apiRequest{}
	for service, pkg := range servicePackages {
		api[service] = apiMembers{}
		for _, row := range tableRows(t, pkg+"/scope.tsv") {
			if row[1] == "in" {
				r := &apiRequest{name: pkg + "." + row[0]}
				api[service][kebab(row[0])], byName[r.name] = r, r
			}
		}
	}
	for _, row := range tableRows(t, "members.tsv") {
		r := byName[row[0]]
		if r == nil {
			t.Fatalf("members.tsv has %s, which is not in", row[0])
		}
		if row[2] == "in" {
			r.members = append(r.members, row[1])
		}
	}
	return api
}

var wordEnds = []*regexp.Regexp{
	regexp.MustCompile(`(.)([A-Z][a-z]+)`), regexp.MustCompile(`([a-z])([0-9]+)`), regexp.MustCompile(`([a-z0-9])([A-Z])`),
}

// kebab is how the AWS CLI spells a name of the model, by the rule of botocore's
// xform_name.
func kebab(name string) string {
	for _, end := range wordEnds {
		name = end.ReplaceAllString(name, "$1-$2")
	}
	return strings.ToLower(name)
}

// A coverage is which members of which operations some command has sent.
type coverage struct {
	api  map[string]apiMembers
	sent map[string]bool // "pkg.Operation member"
}

// add notes what a command sends that succeeds.
func (cov *coverage) add(c command) {
	w := words(c.run)
	if c.error != "" || len(w) < 2 || cov.api[w[0]][w[1]] == nil {
		return
	}
	r := cov.api[w[0]][w[1]]
	cov.sent[r.name] = true
	for option, values := range options(w[2:]) {
		if option == "page-size" && pages(c.want) {
			// The CLI walks the pages: it sends their size, and the token of the next.
			option = "max-results"
			cov.note(r, "nextToken", nil)
		}
		for _, m := range r.members {
			if strings.ContainsAny(m, ".[{") {
				continue
			}
			if name := kebab(m); option == name || option == "no-"+name {
				cov.note(r, m, values)
			}
		}
	}
}

// note takes a member and what its values hold.
func (cov *coverage) note(r *apiRequest, member string, values []string) {
	paths := map[string]bool{member: true}
	for _, v := range values {
		for p := range pathsOf(v) {
			paths[member+"."+p] = true
		}
	}
	for _, m := range r.members {
		pattern := regexp.MustCompile("^" + strings.NewReplacer("[]", "", "{}.", "[.][^.]+[.]", ".", "[.]").Replace(m) + "$")
		for p := range paths {
			if pattern.MatchString(p) {
				cov.sent[r.name+" "+m] = true
			}
		}
	}
}

// options are the options of a command line with their values.
func options(line []string) map[string][]string {
	found, last := map[string][]string{}, ""
	for _, word := range line {
		if name, ok := strings.CutPrefix(word, "--"); ok {
			if last = name; found[name] == nil {
				found[name] = []string{} // an option without a value is there too
			}
		} else if last != "" {
			found[last] = append(found[last], word)
		}
	}
	return found
}

// pages says whether an answer, walked with a page of one, took a second page: some
// list of it has two elements.
func pages(want string) bool {
	if want == "" {
		return false
	}
	answer, err := decode([]byte(want))
	if err != nil {
		return false
	}
	list, ok := answer.([]any)
	if object, is := answer.(map[string]any); is {
		for _, v := range object {
			if l, is := v.([]any); is {
				list, ok = l, true
			}
		}
	}
	return ok && len(list) > 1
}

// pathsOf are the keys in a value of the AWS CLI, which is JSON or its shorthand;
// elements of lists have the path of their list.
func pathsOf(value string) map[string]bool {
	paths := map[string]bool{}
	if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
		if v, err := decode([]byte(value)); err == nil {
			pathsOfJSON(v, "", paths)
			return paths
		}
	}
	s := shorthand{rest: value, paths: paths}
	s.pairs("")
	return paths
}

func pathsOfJSON(v any, prefix string, paths map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			paths[prefix+key] = true
			pathsOfJSON(value, prefix+key+".", paths)
		}
	case []any:
		for _, value := range v {
			pathsOfJSON(value, prefix, paths)
		}
	}
}

// shorthand reads key=value,key={key=value},key=[{…},{…}] for its keys.
type shorthand struct {
	rest  string
	paths map[string]bool
}

// pairs reads up to what ends an object.
func (s *shorthand) pairs(prefix string) {
	for s.rest != "" && s.rest[0] != '}' {
		key, rest, ok := strings.Cut(s.rest, "=")
		if !ok || strings.ContainsAny(key, ",}]") {
			s.rest = s.rest[min(len(s.rest), max(1, strings.IndexAny(s.rest+",", ",}]"))):] // a value that goes on
			s.rest = strings.TrimPrefix(s.rest, ",")
			if strings.HasPrefix(s.rest, "]") {
				return
			}
			continue
		}
		s.paths[prefix+key], s.rest = true, rest
		s.value(prefix + key + ".")
		s.rest = strings.TrimPrefix(s.rest, ",")
	}
}

func (s *shorthand) value(prefix string) {
	switch {
	case strings.HasPrefix(s.rest, "{"):
		s.rest = s.rest[1:]
		s.pairs(prefix)
		s.rest = strings.TrimPrefix(s.rest, "}")
	case strings.HasPrefix(s.rest, "["):
		s.rest = s.rest[1:]
		for s.rest != "" && s.rest[0] != ']' {
			s.value(prefix)
			s.rest = strings.TrimPrefix(s.rest, ",")
		}
		s.rest = strings.TrimPrefix(s.rest, "]")
	default:
		s.rest = s.rest[strings.IndexAny(s.rest+",", ",}]"):]
	}
}

// tables are the commands of every table of this package.
func tables() (all []command) {
	for _, part := range slices.Concat(chapters, memberChapters, identityChapters, registryChapters) {
		all = append(all, part.commands...)
	}
	return all
}

// TestAWSCLIExercisesEveryOperationAndEveryMember holds the tables against the
// server's own: an operation or a member of a request that is in, and that no
// command sends with success, fails here.
func TestAWSCLIExercisesEveryOperationAndEveryMember(t *testing.T) {
	cov := coverage{api: readAPI(t), sent: map[string]bool{}}
	for _, c := range tables() {
		cov.add(c)
	}
	members := 0
	for service, operations := range cov.api {
		for name, r := range operations {
			if !cov.sent[r.name] {
				t.Errorf("no command of the tables calls aws %s %s with success", service, name)
				continue
			}
			for _, m := range r.members {
				members++
				if !cov.sent[r.name+" "+m] {
					t.Errorf("no command of the tables calls aws %s %s with %s, with success", service, name, m)
				}
			}
		}
	}
	if members < 150 {
		t.Errorf("only %d members found in members.tsv", members)
	}
}

func TestCoverageSeesWhatACommandSends(t *testing.T) {
	r := &apiRequest{name: "iot.CreateJob", members: []string{
		"jobId", "tags", "tags[].Key", "tags[].Value", "abortConfig", "abortConfig.criteriaList", "abortConfig.criteriaList[].action",
		"eventConfigurations", "eventConfigurations{}.Enabled", "force", "maxResults", "nextToken",
	}}
	for _, row := range []struct {
		name, run, want string
		error           string
		sends           []string
	}{
		{name: "an option", run: "--job-id x", sends: []string{"jobId"}},
		{name: "no", run: "--no-force", sends: []string{"force"}},
		{name: "what fails does not count", run: "--job-id x", error: "InvalidRequestException"},
		{name: "shorthand", run: "--tags Key=a,Value=b Key=c", sends: []string{"tags", "tags[].Key", "tags[].Value"}},
		{name: "half of it", run: "--tags Key=a", sends: []string{"tags", "tags[].Key"}},
		{
			name: "shorthand with depth", run: "--abort-config criteriaList=[{x=1,action=CANCEL},{y=2}]",
			sends: []string{"abortConfig", "abortConfig.criteriaList", "abortConfig.criteriaList[].action"},
		},
		{name: "JSON", run: `--abort-config '{"criteriaList":[]}'`, sends: []string{"abortConfig", "abortConfig.criteriaList"}},
		{name: "a map", run: "--event-configurations JOB={Enabled=true}", sends: []string{"eventConfigurations", "eventConfigurations{}.Enabled"}},
		{name: "a map in JSON", run: `--event-configurations '{"JOB":{}}'`, sends: []string{"eventConfigurations"}},
		{name: "pages", run: "--page-size 1", want: `{"jobs":[1,2]}`, sends: []string{"maxResults", "nextToken"}},
		{name: "one page", run: "--page-size 1", want: `{"jobs":[1]}`},
	} {
		cov := coverage{api: map[string]apiMembers{"iot": {"create-job": r}}, sent: map[string]bool{}}
		cov.add(command{run: "iot create-job " + row.run, want: row.want, error: row.error})
		for _, m := range r.members {
			if got, want := cov.sent["iot.CreateJob "+m], slices.Contains(row.sends, m); got != want {
				t.Errorf("%s: %s sent: %v, want %v", row.name, m, got, want)
			}
		}
	}
	for name, want := range map[string]string{
		"ListThingPrincipalsV2": "list-thing-principals-v2", "RegisterCertificateWithoutCA": "register-certificate-without-ca",
		"CreateCertificateFromCsr": "create-certificate-from-csr", "setAsActive": "set-as-active", "thingGroupArn": "thing-group-arn",
	} {
		if got := kebab(name); got != want {
			t.Errorf("%s is %s to the CLI, want %s", name, got, want)
		}
	}
}
