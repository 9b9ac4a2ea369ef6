package devapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/devapi"
	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/virtual"
	"github.com/drover-iot/drover/internal/wire"
)

// epoch is where the clock of these tests stands.
var epoch = time.Unix(1_760_000_000, 0).UTC()

// hand notes how it is to move the clock, and does not.
type hand struct {
	asked  []string
	next   time.Time
	report virtual.Report
	err    error
}

func (h *hand) Settle(context.Context) (time.Time, error) { return h.next, h.err }

func (h *hand) moved(format string, args ...any) (virtual.Report, error) {
	h.asked = append(h.asked, fmt.Sprintf(format, args...))
	return h.report, h.err
}

func (h *hand) Advance(_ context.Context, by time.Duration) (virtual.Report, error) {
	return h.moved("by %s", by)
}

func (h *hand) AdvanceTo(_ context.Context, to time.Time) (virtual.Report, error) {
	return h.moved("to %s", to.UTC().Format(time.RFC3339Nano))
}

func (h *hand) AdvanceUntilIdle(_ context.Context, atMost time.Duration) (virtual.Report, error) {
	return h.moved("until idle, at most %s", atMost)
}

// room is the operations behind the door that they have in the product.
type room struct {
	http.Handler
	hand   *hand
	faults *fault.Set
	log    strings.Builder
}

// dev opens the room as `drover dev --clock virtual` does.
func dev() *room {
	r := &room{hand: new(hand), faults: new(fault.Set)}
	r.open(devapi.Config{
		Dev: true, Clock: r.hand, Now: func() time.Time { return epoch }, Faults: r.faults,
		Changes: func() (int64, <-chan struct{}) { return 0, nil },
	})
	return r
}

func (r *room) open(c devapi.Config) {
	r.Handler = rest.New(rest.Config{
		Data: struct{ rest.Data }{}, Control: struct{ rest.Control }{}, Authorizer: auth.Everything{}, AnyKey: true,
		Extensions: devapi.Extensions(c), Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
}

type answer struct {
	status int
	kind   string // x-amzn-ErrorType
	body   string
}

func (r *room) ask(ctx context.Context, method, target, body string) answer {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, target, io.NopCloser(strings.NewReader(body))))
	return answer{w.Code, w.Header().Get("X-Amzn-Errortype"), w.Body.String()}
}

// routes is docs/dev-api.md: the methods of each path.
var routes = map[string][]string{
	"/drover/v1/clock":          {"GET"},
	"/drover/v1/clock/advance":  {"POST"},
	"/drover/v1/changes":        {"GET"},
	"/drover/v1/faults":         {"GET", "POST", "DELETE"},
	"/drover/v1/faults/report":  {"GET"},
	"/drover/v1/faults/fault-1": {"DELETE"},
}

func TestAPathHasItsMethodsAndNoOthers(t *testing.T) {
	t.Parallel()
	count := 0
	for path, methods := range routes {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			a := dev().ask(t.Context(), method, path, `{"by":1,"kind":"drop"}`)
			known := slices.Contains(methods, method)
			// DELETE faults/report means a fault of that name.
			if path == "/drover/v1/faults/report" && method == "DELETE" {
				known = true
			}
			if got := a.kind != "UnknownOperationException"; got != known {
				t.Errorf("%s %s is known: %v, want %v: %+v", method, path, got, known, a)
			}
			if slices.Contains(methods, method) {
				count++
			}
		}
	}
	if all := devapi.Extensions(devapi.Config{}); count != len(all) {
		t.Errorf("%d operations are tested, and there are %d", count, len(all))
	}
}

func TestOutsideDevEveryOperationIsKnownAndRefused(t *testing.T) {
	t.Parallel()
	serve := new(room)
	serve.open(devapi.Config{}) // with nothing to work on: whoever came through would panic
	for path, methods := range routes {
		for _, method := range methods {
			a := serve.ask(t.Context(), method, path, `{"by":1}`)
			if a.status != 404 || a.kind != "UnknownOperationException" || !strings.Contains(a.body, method+" /drover/v1/") ||
				!strings.Contains(a.body, "exists in drover dev only") {
				t.Errorf("%s %s: %+v", method, path, a)
			}
		}
	}
	if serve.log.Len() > 0 {
		t.Errorf("it logged %s", &serve.log)
	}
}

func TestABodyThatIsNotUnderstoodChangesNothing(t *testing.T) {
	t.Parallel()
	const advance, faults = "/drover/v1/clock/advance", "/drover/v1/faults"
	for _, row := range []struct{ name, path, body, says string }{
		{"null", advance, `null`, "Say one of"},
		{"an array", advance, `[{"by":1}]`, "cannot be understood"},
		{"a number", advance, `90`, "cannot be understood"},
		{"half an object", advance, `{"by":1`, "cannot be understood"},
		{"two objects", advance, `{"by":1}{"by":1}`, "cannot be understood"},
		{"a key twice", advance, `{"by":1,"by":2}`, "duplicate"},
		{"a key in capitals", advance, `{"By":1}`, "By"},
		{"a key of another operation", advance, `{"by":1,"kind":"drop"}`, "kind"},
		{"a duration of another kind", advance, `{"by":{"seconds":1}}`, "is no duration"},
		{"a time of another kind", advance, `{"to":[1760000000]}`, "is no time"},
		{"what is idle, of another kind", advance, `{"until":true}`, "until"},
		{"a bound that is no duration", advance, `{"until":"idle","atMost":"long"}`, "is no duration"},
		{"bytes that are no text", advance, "{\"until\":\"\xff\"}", "cannot be understood"},

		{"null", faults, `null`, `kind is \"\"`},
		{"an array", faults, `[]`, "cannot be understood"},
		{"a key twice", faults, `{"kind":"drop","kind":"delay"}`, "duplicate"},
		{"a key in capitals", faults, `{"kind":"drop","Thing":"pump-7"}`, "Thing"},
		{"a key of the answer", faults, `{"kind":"drop","id":"fault-7"}`, "id"},
		{"a kind of another kind", faults, `{"kind":1}`, "kind"},
		{"half a message", faults, `{"kind":"drop","count":1.5}`, "count"},
		{"more messages than there are numbers", faults, `{"kind":"drop","skip":1e99}`, "skip"},
		{"a negative seed", faults, `{"kind":"drop","seed":-1}`, "seed"},
		{"a probability in words", faults, `{"kind":"drop","probability":"often"}`, "probability"},
		{"a rate in words", faults, `{"kind":"throttle","perSecond":"1"}`, "perSecond"},
		{"a delay of another kind", faults, `{"kind":"delay","by":true}`, "is no duration"},
	} {
		t.Run(row.path+" "+row.name, func(t *testing.T) {
			t.Parallel()
			r := dev()
			a := r.ask(t.Context(), "POST", row.path, row.body)
			if a.status != 400 || a.kind != "InvalidRequestException" || !strings.Contains(a.body, row.says) {
				t.Errorf("%+v, want 400 with %s", a, row.says)
			}
			if len(r.hand.asked) > 0 || len(r.faults.Rules()) > 0 {
				t.Errorf("it asked the clock %q and made %+v", r.hand.asked, r.faults.Rules())
			}
		})
	}
}

func TestAMessageRepeatsABitOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	long := "x" + strings.Repeat("é", 200) // with and without its x: one of them is cut within a character
	for _, row := range []struct{ method, target, body, says string }{
		{"POST", "/drover/v1/clock/advance", `{"by":"` + long + `"}`, "is no duration"},
		{"POST", "/drover/v1/clock/advance", `{"by":"` + long[1:] + `"}`, "is no duration"},
		{"POST", "/drover/v1/clock/advance", `{"to":"` + long + `"}`, "is no time"},
		{"GET", "/drover/v1/changes?after=" + strings.Repeat("%C3%A9", 200), "", "expected the seq"},
		{"GET", "/drover/v1/changes?after=x" + strings.Repeat("%C3%A9", 200), "", "expected the seq"},
		{"GET", "/drover/v1/changes?after=%FF", "", "expected the seq"},
		{"DELETE", "/drover/v1/faults/x" + strings.Repeat("%C3%A9", 200), "", "There is no fault x"},
		{"DELETE", "/drover/v1/faults/" + strings.Repeat("%C3%A9", 200), "", "There is no fault é"},
		{"DELETE", "/drover/v1/faults/%FF", "", "There is no fault ?."},
	} {
		a := dev().ask(t.Context(), row.method, row.target, row.body)
		if !strings.Contains(a.body, row.says) || len(a.body) > 400 || !utf8.ValidString(a.body) {
			t.Errorf("%s %.40s %.40s: %+v, want %s in a message of one line", row.method, row.target, row.body, a, row.says)
		}
	}
}

func TestWhatTheClockCannotDoIsSaid(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		target string
		want   answer
	}{
		{fmt.Errorf("%w: it stands at noon", virtual.ErrBackwards), "POST /drover/v1/clock/advance", answer{400, "InvalidRequestException", `{"message":"The clock does not go back: it stands at noon. Nothing was changed."}`}},
		{job.Errorf(job.Throttled, "later"), "POST /drover/v1/clock/advance", answer{400, "ThrottlingException", `{"message":"later"}`}},
		{errors.New("the disk is full"), "POST /drover/v1/clock/advance", answer{500, "InternalFailureException", "$"}},
		{errors.New("the disk is full"), "GET /drover/v1/clock", answer{500, "InternalFailureException", "$"}},
	} {
		r := dev()
		r.hand.err = row.err
		method, path, _ := strings.Cut(row.target, " ")
		got := r.ask(t.Context(), method, path, `{"by":1}`)
		if row.want.body == "$" && !strings.Contains(got.body, "disk") && strings.Contains(r.log.String(), "disk") {
			row.want.body = got.body // it is logged, and not told
		}
		if got != row.want {
			t.Errorf("%s on %v: %+v, want %+v", row.target, row.err, got, row.want)
		}
	}
}

func TestEveryErrorOfADeviceCanBeInjectedByItsName(t *testing.T) {
	t.Parallel()
	r := dev()
	inject := func(name string) string {
		a := r.ask(t.Context(), "POST", "/drover/v1/faults", `{"kind":"answer","code":"`+name+`"}`)
		if a.status != 200 {
			t.Errorf("%s: %+v", name, a)
		}
		return a.body
	}
	for _, c := range job.Codes() {
		if name := wire.Spell(c).MQTT; !strings.Contains(inject(name), `"code":"`+name+`"`) {
			t.Errorf("%s is another error", name)
		}
		inject(wire.Spell(c).Data.Type)
	}
	// Several errors have these types over HTTPS; they mean the one of their name.
	for _, name := range []string{"InvalidRequest", "InvalidStateTransition", "ResourceNotFound"} {
		if got := inject(name + "Exception"); !strings.Contains(got, `"code":"`+name+`"`) {
			t.Errorf("%sException is %s", name, got)
		}
	}
}
