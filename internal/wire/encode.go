package wire

import (
	"strconv"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Encode is a reply of the control plane as JSON: unset members left out, `[]` for
// empty lists, times as fractional epoch seconds, keys of maps in order
// (control-plane.md G).
func Encode(out any) ([]byte, error) {
	return json.Marshal(out, encoding)
}

var encoding = json.JoinOptions(
	json.Deterministic(true),
	json.WithMarshalers(json.JoinMarshalers(
		json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
			return e.WriteValue(AppendFractional(nil, t))
		}),
		json.MarshalToFunc(func(e *jsontext.Encoder, s job.Status) error {
			return e.WriteToken(jsontext.String(s.String()))
		}),
		json.MarshalToFunc(func(e *jsontext.Encoder, s job.JobStatus) error {
			return e.WriteToken(jsontext.String(s.String()))
		}),
	)),
)

// AppendSeconds writes a time of the device plane: whole epoch seconds, truncated
// (device-plane.md 2.1).
func AppendSeconds(dst []byte, t time.Time) []byte {
	return strconv.AppendInt(dst, t.Unix(), 10)
}

// AppendFractional writes a time of the control plane: epoch seconds with the
// milliseconds that the store keeps, and no zero at the end.
func AppendFractional(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if ms %= 1000; ms == 0 {
		return dst
	}
	frac := [4]byte{'.', byte('0' + ms/100), byte('0' + ms/10%10), byte('0' + ms%10)}
	n := len(frac)
	for frac[n-1] == '0' {
		n--
	}
	return append(dst, frac[:n]...)
}
