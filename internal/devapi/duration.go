package devapi

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/go-json-experiment/json/jsontext"
)

// maxSpan bounds a duration: time.Duration ends at 292 years.
const maxSpan = 100 * 366 * 24 * time.Hour

// Duration is a span of domain time in a body: a number of seconds, or a string
// of numbers with units, "45m", "1h30m", "7d", "1w2d".
type Duration time.Duration

// UnmarshalJSON reads either form.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	v := jsontext.Value(raw)
	var span time.Duration
	var err error
	switch v.Kind() {
	case '0':
		var seconds float64
		if seconds, err = strconv.ParseFloat(string(raw), 64); err == nil {
			span, err = inSeconds(seconds)
		}
	case '"':
		span, err = ParseDuration(text(v))
	default:
		err = errors.New("not a duration")
	}
	if err != nil || span < 0 {
		return job.Errorf(job.InvalidRequest, `%s is no duration: expected seconds, as in 90 or 0.5, or text such as "45m", "1h30m", "7d", "2w"; not negative, at most 100 years.`, shorten(raw))
	}
	*d = Duration(span)
	return nil
}

func inSeconds(seconds float64) (time.Duration, error) {
	if !(math.Abs(seconds) <= maxSpan.Seconds()) {
		return 0, errors.New("out of range")
	}
	return time.Duration(math.Round(seconds*1e9)) * time.Nanosecond, nil
}

var (
	durationForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(w|d|h|m|s|ms))+$`)
	durationPart = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(w|d|h|ms|m|s)`)
	units        = map[string]time.Duration{
		"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond,
	}
)

// ParseDuration reads Go's durations from milliseconds up, and days (d) and
// weeks (w) of 24 hours and 7 days.
func ParseDuration(s string) (time.Duration, error) {
	if !durationForm.MatchString(s) || len(s) > 64 {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	total := time.Duration(0)
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0, err
		}
		span, err := inSeconds(n * units[part[2]].Seconds())
		if err != nil {
			return 0, err
		}
		if total += span; total > maxSpan {
			return 0, errors.New("out of range")
		}
	}
	return total, nil
}

// Instant is a domain time in a body: epoch seconds, or RFC 3339.
type Instant time.Time

// UnmarshalJSON reads either form.
func (i *Instant) UnmarshalJSON(raw []byte) error {
	v := jsontext.Value(raw)
	var at time.Time
	var err error
	switch v.Kind() {
	case '0':
		var seconds float64
		seconds, err = strconv.ParseFloat(string(raw), 64)
		if err == nil && !(seconds >= 0 && seconds < 1e11) {
			err = errors.New("out of range")
		}
		if err == nil {
			whole, part := math.Modf(seconds)
			at = time.Unix(int64(whole), int64(math.Round(part*1e3))*1e6).UTC()
		}
	case '"':
		at, err = time.Parse(time.RFC3339Nano, text(v))
	default:
		err = errors.New("not a time")
	}
	if err != nil {
		return job.Errorf(job.InvalidRequest, `%s is no time: expected epoch seconds, as in 1760000000.5, or RFC 3339, as in "2025-10-09T08:53:20Z".`, shorten(raw))
	}
	*i = Instant(at)
	return nil
}

// shorten bounds how much of a request a message repeats, and keeps it text.
func shorten(raw []byte) string {
	if len(raw) > 64 {
		return strings.ToValidUTF8(string(raw[:64]), "") + "…"
	}
	return strings.ToValidUTF8(string(raw), "?")
}

// asRequestError finds the error of a type here in what the JSON library says.
func asRequestError(err error) (*job.Error, bool) { return errors.AsType[*job.Error](err) }
