package drovertest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/drover-iot/drover/drovertest"
)

// exampleT stands in for the *testing.T that a test has.
type exampleT struct{ cleanups []func() }

func (*exampleT) Helper()                           {}
func (t *exampleT) Cleanup(f func())                { t.cleanups = append(t.cleanups, f) }
func (*exampleT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (*exampleT) Logf(string, ...any)               {}

func (t *exampleT) end() {
	for len(t.cleanups) > 0 {
		last := len(t.cleanups) - 1
		t.cleanups[last]()
		t.cleanups = t.cleanups[:last]
	}
}

// say is a device that speaks HTTPS, in one line.
func say(d *drovertest.Drover, method, path, body string) string {
	req, err := http.NewRequest(method, d.HTTP+path, bytes.NewBufferString(body))
	if err != nil {
		panic(err)
	}
	resp, err := d.AWS().HTTPClient.Do(req)
	if err != nil {
		return "no answer"
	}
	resp.Body.Close()
	return resp.Status
}

// A job's ten minutes pass while the device does nothing.
func Example() {
	t := new(exampleT) // in a test: func TestMyFirmware(t *testing.T)
	defer t.end()

	d := drovertest.Start(t)
	d.Thing("pump-7")
	d.Job("fw-42", drovertest.Job{Document: `{"op":"flash"}`, Things: []string{"pump-7"}, InProgressTimeout: 10 * time.Minute})

	say(d, "PUT", "/things/pump-7/jobs/$next", "{}") // the device starts it, and hangs
	d.WaitExecution("pump-7", "fw-42", drovertest.InProgress)

	fmt.Println(d.Advance(10 * time.Minute))
	fmt.Println("too late:", say(d, "POST", "/things/pump-7/jobs/fw-42", `{"status":"SUCCEEDED"}`))
	// Output:
	// execution fw-42/pump-7#1 IN_PROGRESS -> TIMED_OUT
	// job fw-42 IN_PROGRESS -> COMPLETED
	// too late: 409 Conflict
}

// The device's success is carried out, and its answer is lost: does the firmware
// ask again, and not install twice?
func ExampleDrover_Inject() {
	t := new(exampleT)
	defer t.end()

	d := drovertest.Start(t, drovertest.AutoThings())
	d.Thing("pump-7")
	d.Job("fw-42", drovertest.Job{Things: []string{"pump-7"}})
	d.Inject(drovertest.Fault{Kind: drovertest.Drop, Operation: drovertest.Update, Direction: drovertest.Response})

	fmt.Println(say(d, "POST", "/things/pump-7/jobs/fw-42", `{"status":"SUCCEEDED"}`))
	e, _ := d.Execution("pump-7", "fw-42")
	fmt.Println(e.Status)
	for _, i := range d.Injections() {
		fmt.Println(i.Thing, i.Operation, i.Kind+":", i.Did)
	}
	// Output:
	// no answer
	// SUCCEEDED
	// pump-7 update drop: the request was carried out, the connection closed without an answer
}

// Three devices are handed a job at one a minute.
func ExampleDrover_AdvanceUntilIdle() {
	t := new(exampleT)
	defer t.end()

	d := drovertest.Start(t, drovertest.RolloutPerMinute(1), drovertest.At(time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)))
	d.Thing("a", "b", "c")
	d.Group("pumps", "a", "b", "c")
	d.Job("fw-42", drovertest.Job{Groups: []string{"pumps"}})

	for _, e := range d.AdvanceUntilIdle().Events {
		fmt.Println(e.Thing, e.Status, e.At.After(time.Date(2026, 1, 31, 9, 0, 59, 0, time.UTC)))
	}
	// Output:
	// b QUEUED true
	// c QUEUED true
}
