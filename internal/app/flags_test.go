package app

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/server"
)

// configured is what the flags of a server command make of its Config.
func configured(t *testing.T, args ...string) (server.Config, error) {
	t.Helper()
	var grammar struct{ jobFlags }
	parser, err := kong.New(&grammar, kong.Exit(func(int) { t.Fatal("kong ended the process") }))
	if err != nil {
		t.Fatal(err)
	}
	c := server.Config{JobQuotas: new(job.Quotas), Quotas: new(registry.Quotas)}
	if _, err = parser.Parse(args); err == nil {
		grammar.apply(&c, cli.Streams{Out: io.Discard, Err: io.Discard})
	}
	return c, err
}

// ceilings are the limits of a Config by their flags.
func ceilings(c server.Config) map[string]int64 {
	return map[string]int64{
		"rollout-max": c.RolloutMax, "rollout-default": c.RolloutDefault, "pending-limit": int64(c.PendingLimit), "named-shadows": int64(c.NamedShadows),
		"max-active-snapshot-jobs": int64(c.MaxActiveSnapshot), "max-active-continuous-jobs": int64(c.MaxActiveContinuous), "max-deleting-jobs": int64(c.MaxDeleting),
		"max-targets": int64(c.JobQuotas.Targets), "max-retries": c.JobQuotas.Retries,
		"max-groups-of-thing": int64(c.Quotas.Groups), "max-group-depth": int64(c.Quotas.Depth), "max-group-children": int64(c.Quotas.Children),
		"max-attributes": int64(c.Quotas.Attributes), "max-typed-attributes": int64(c.Quotas.TypedAttributes), "max-tags": int64(c.Quotas.Tags),
	}
}

func TestTheCeilingsAreAWSsUnlessAFlagLiftsThem(t *testing.T) {
	c, err := configured(t)
	if err != nil {
		t.Fatal(err)
	}
	if *c.JobQuotas != job.AWSQuotas() || *c.Quotas != registry.AWSQuotas() {
		t.Errorf("by default %+v and %+v", *c.JobQuotas, *c.Quotas)
	}
	byDefault := ceilings(c)
	for flag, want := range map[string]int64{
		"rollout-max": 1000, "rollout-default": 1000, "pending-limit": 10, "named-shadows": 100,
		"max-active-snapshot-jobs": 100, "max-active-continuous-jobs": 100, "max-deleting-jobs": 10,
	} {
		if byDefault[flag] != want {
			t.Errorf("--%s is %d by default, want %d", flag, byDefault[flag], want)
		}
	}
	for flag := range byDefault {
		args := []string{"--" + flag + "=7"}
		if flag == "rollout-max" {
			args = append(args, "--rollout-default=7")
		}
		c, err := configured(t, args...)
		if err != nil || ceilings(c)[flag] != 7 {
			t.Errorf("%v: %d (%v)", args, ceilings(c)[flag], err)
		}
		if c, err := configured(t, "--"+flag+"=0"); err != nil || ceilings(c)[flag] != 0 {
			t.Errorf("--%s=0: %d (%v)", flag, ceilings(c)[flag], err)
		}
		if _, err := configured(t, "--"+flag+"=-1"); err == nil || !strings.Contains(err.Error(), "--"+flag) || !strings.Contains(err.Error(), "expected 0 or more") {
			t.Errorf("--%s=-1: %v", flag, err)
		}
	}
}

// TestEveryCeilingHasARowHere: a number among the flags is one of those above.
func TestEveryCeilingHasARowHere(t *testing.T) {
	c, err := configured(t)
	if err != nil {
		t.Fatal(err)
	}
	parser, err := kong.New(&struct{ jobFlags }{})
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, flag := range parser.Model.Flags {
		if k := flag.Target.Kind(); k == reflect.Int || k == reflect.Int64 {
			numbers = append(numbers, flag.Name)
		}
	}
	have := ceilings(c)
	for _, name := range numbers {
		if _, ok := have[name]; !ok {
			t.Errorf("--%s is no ceiling of this test", name)
		}
	}
	for name := range have {
		if !slices.Contains(numbers, name) {
			t.Errorf("--%s is no flag (any more)", name)
		}
	}
}
