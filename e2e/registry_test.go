package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestAWSCLIRegistry runs the chapters of registry_table_test.go, one after the
// other; TestBoto3Registry has both kinds of servers.
func TestAWSCLIRegistry(t *testing.T) {
	cli := pinnedCLI(t)
	t.Parallel()
	start(t, "dev").runChapters(t, cli, registryChapters)
}

func TestBoto3Registry(t *testing.T) { boto3(t, "testdata/boto3_registry.py") }

// TestAWSCLIDeletesAThingTypeFiveMinutesAfterItsDeprecation on a clock that the test
// moves, and not a second earlier. The refusal has the words that Terraform waits by
// (control-plane.md I).
func TestAWSCLIDeletesAThingTypeFiveMinutesAfterItsDeprecation(t *testing.T) {
	cli := pinnedCLI(t)
	t.Parallel()
	s := start(t, "dev", "--clock", "virtual")
	refused := func(because string) {
		t.Helper()
		_, err := s.aws(t, cli, words("iot delete-thing-type --thing-type-name pump")...)
		var e *apiError
		if !errors.As(err, &e) || e.name != "InvalidRequestException" || !strings.Contains(e.message, because) {
			t.Errorf("got %v, want an InvalidRequestException with %q", err, because)
		}
	}
	s.runChapters(t, cli, []chapter{{"a thing type", []command{
		{run: "iot create-thing-type --thing-type-name pump", want: `{"thingTypeName":"pump","thingTypeArn":"` + arn + `thingtype/pump","thingTypeId":"$uuid"}`},
	}}})
	s.advance(t, "10m")
	refused("deprecate")
	if err := s.try(t, cli, command{run: "iot deprecate-thing-type --thing-type-name pump"}); err != nil {
		t.Fatal(err)
	}
	s.advance(t, "4m59s")
	refused("Please wait for 5 minutes after deprecation and then retry")
	s.advance(t, "1s")
	s.runChapters(t, cli, typeDeletion)
}

// advance moves the clock of a `drover dev --clock virtual`.
func (s *server) advance(t *testing.T, by string) {
	t.Helper()
	res, err := http.Post("http://"+s.doors.HTTP+"/drover/v1/clock/advance", "application/json", strings.NewReader(`{"by":"`+by+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the clock was not moved: %s %s (%v)", res.Status, body, err)
	}
}
