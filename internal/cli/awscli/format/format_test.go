package format_test

import (
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/cli/awscli/format"
	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// TestFormsAreTheAWSCLIs has answers as the pinned AWS CLI printed them.
func TestFormsAreTheAWSCLIs(t *testing.T) {
	queue := `{"inProgressJobs":[],"queuedJobs":[{"jobId":"j1","queuedAt":1795646206,"lastUpdatedAt":1795646206,"versionNumber":1,"executionNumber":1},
		{"jobId":"j2","queuedAt":1795646207,"lastUpdatedAt":1795646207,"versionNumber":1,"executionNumber":1}]}`
	execution := `{"execution":{"jobId":"j1","thingName":"t","status":"QUEUED","queuedAt":1795646206,"lastUpdatedAt":1795646206,"versionNumber":1,
		"executionNumber":1,"jobDocument":"{\"op\":\"flash\"}"}}`
	for _, row := range []struct{ name, form, title, value, want string }{
		{"an empty answer", "json", "", `{}`, ""},
		{"an empty list", "json", "", `[]`, "[]\n"},
		{"nothing", "json", "", `null`, "null\n"},
		{"nothing as text", "text", "", `null`, "None\n"},
		{"nothing as a table", "table", "X", `null`, ""},
		{"a truth as text", "text", "", `true`, "True\n"},
		{"a list as text", "text", "", `[1,"a",null]`, "1\ta\tNone\n"},
		{"lists in a list as text", "text", "", `[[1,2],[3],4]`, "4\n1\t2\n3\n"},
		{"objects as text", "text", "", queue, "QUEUEDJOBS\t1\tj1\t1795646206\t1795646206\t1\nQUEUEDJOBS\t1\tj2\t1795646207\t1795646207\t1\n"},
		{"objects with other keys as text", "text", "", `{"l":[{"b":1},{"a":2,"c":{"d":3}}]}`, "L\t\t1\nL\t2\t\nC\t3\n"},
		{"objects as a table", "table", "GetPendingJobExecutions", queue, `
--------------------------------------------------------------------------------
|                            GetPendingJobExecutions                           |
+------------------------------------------------------------------------------+
||                                 queuedJobs                                 ||
|+------------------+--------+----------------+-------------+-----------------+|
||  executionNumber | jobId  | lastUpdatedAt  |  queuedAt   |  versionNumber  ||
|+------------------+--------+----------------+-------------+-----------------+|
||  1               |  j1    |  1795646206    |  1795646206 |  1              ||
||  1               |  j2    |  1795646207    |  1795646207 |  1              ||
|+------------------+--------+----------------+-------------+-----------------+|
`},
		{"a table wider than the terminal is turned", "table", "DescribeJobExecution", execution, `
-----------------------------------------
|         DescribeJobExecution          |
+---------------------------------------+
||              execution              ||
|+------------------+------------------+|
||  executionNumber |  1               ||
||  jobDocument     |  {"op":"flash"}  ||
||  jobId           |  j1              ||
||  lastUpdatedAt   |  1795646206      ||
||  queuedAt        |  1795646206      ||
||  status          |  QUEUED          ||
||  thingName       |  t               ||
||  versionNumber   |  1               ||
|+------------------+------------------+|
`},
		{"a list as a table", "table", "GetPendingJobExecutions", `[["j1",1795646206],["j2",1795646207]]`, `
-------------------------
|GetPendingJobExecutions|
+-----+-----------------+
|  j1 |  1795646206     |
|  j2 |  1795646207     |
+-----+-----------------+
`},
		{"a number as a table is its title", "table", "GetPendingJobExecutions", `2`, `
-------------------------
|GetPendingJobExecutions|
+-----------------------+
`},
	} {
		v, err := py.DecodeJSON(row.value, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := format.Answer(format.Options{Form: row.form, Title: row.title, Width: 80}, v)
		if want := strings.TrimPrefix(row.want, "\n"); row.form == "table" && err == nil && got != want || row.form != "table" && got != row.want || err != nil {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", row.name, err, got, row.want)
		}
	}
}

func TestAnswersThatAFormCannotShow(t *testing.T) {
	for _, row := range []struct{ form, value, want string }{
		{"table", `[1,[2,3]]`, "Row should have 1 elements, instead it has 2"},
		{"table", `[{"a":1},2]`, "'int' object is not iterable"},
		{"text", `[1,{"a":2}]`, "'int' object has no attribute 'items'"},
		{"yaml", `1`, "Unknown output type: yaml"},
	} {
		v, err := py.DecodeJSON(row.value, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := format.Answer(format.Options{Form: row.form, Width: 80}, v); err == nil || err.Error() != row.want {
			t.Errorf("%s of %s: got %v, want %s", row.form, row.value, err, row.want)
		}
	}
}
