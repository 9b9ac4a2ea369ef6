package awscli

import (
	"errors"
	"math/big"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/drover-iot/drover/internal/cli/awscli/py"
)

// params turns the options of one operation into the parameters of its request, in
// the order of the model. Values are not checked yet.
func (r *run) params(set map[string]any) (*py.Dict, error) {
	params := &py.Dict{}
	for _, m := range r.op.Input.Members {
		value, given := set[m.Name]
		if !given {
			continue
		}
		v, err := r.param(m, value)
		if err != nil {
			return nil, err
		}
		params.Set(m.Name, v)
	}
	if input, given := text(set, cliInputJSON); given { // a file that is not there is found out here
		if _, _, err := r.file(input); err != nil {
			return nil, misread(cliInputJSON, err)
		}
	}
	return params, nil
}

func misread(name string, err error) error {
	return &Failure{Message: "Error parsing parameter '" + name + "': " + err.Error()}
}

// param is the value of one option: as it is, from a file, in shorthand or as JSON.
func (r *run) param(m Member, value any) (any, error) {
	s, isText := value.(string)
	if !isText {
		return value, nil
	}
	name := "--" + dashed(m.Name)
	content, is, err := r.file(s)
	if err != nil {
		return nil, misread(name, err)
	}
	if is {
		value = content
	}
	if m.Kind != Map {
		return value, nil
	}
	if b, ok := value.(py.Bytes); ok {
		value = string(b)
	}
	v, err := r.mapOf(value.(string))
	if err != nil {
		return nil, misread(name, err)
	}
	return v, nil
}

// mapOf reads a map: JSON if it begins like JSON, else shorthand.
func (r *run) mapOf(s string) (any, error) {
	switch trimmed := strings.TrimSpace(s); {
	case strings.HasPrefix(trimmed, "["):
		return nil, py.Error("Invalid JSON:\n" + s)
	case strings.HasPrefix(trimmed, "{"):
		return decode(s, true)
	}
	d, err := parseShorthand(s, r.file)
	if err != nil { // no typed nil in an interface
		return nil, err
	}
	return d, nil
}

func decode(s string, ordered bool) (any, error) {
	v, err := py.DecodeJSON(s, ordered)
	if err != nil {
		return nil, py.Error("Invalid JSON: " + err.Error() + "\nJSON received: " + s)
	}
	return v, nil
}

// merge adds what --cli-input-json says and no option did.
func (r *run) merge(params *py.Dict, set map[string]any) error {
	input, given := text(set, cliInputJSON)
	if !given {
		return nil
	}
	content, is, err := r.file(input)
	if err != nil {
		return misread(cliInputJSON, err)
	}
	if is {
		input = py.Str(content)
		if b, ok := content.(py.Bytes); ok {
			input = string(b)
		}
	}
	v, err := decode(input, false)
	if err != nil {
		return misread(strings.TrimPrefix(cliInputJSON, "--"), err)
	}
	from, ok := v.(*py.Dict)
	if !ok {
		return &Failure{Message: "'" + py.TypeName(v) + "' object has no attribute 'keys'"}
	}
	for _, k := range from.Keys() {
		if _, known := params.Get(k); !known {
			value, _ := from.Get(k)
			params.Set(k, value)
		}
	}
	return nil
}

// file gives the content of the file that a value names by file:// (text) or
// fileb:// (bytes).
func (r *run) file(value string) (content any, is bool, err error) {
	path, isText := strings.CutPrefix(value, "file://")
	if !isText {
		if path, is = strings.CutPrefix(value, "fileb://"); !is {
			return nil, false, nil
		}
	}
	path = r.Expand(path)
	data, err := r.ReadFile(path)
	switch {
	case err != nil:
		return nil, true, py.Error("Unable to load paramfile " + value + ": " + systemText(err, path))
	case !isText:
		return py.Bytes(data), true, nil
	case !utf8.Valid(data):
		return nil, true, py.Error("Unable to load paramfile (" + path + "), text contents could not be decoded.  " +
			"If this is a binary file, please use the fileb:// prefix instead of the file:// prefix.")
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), true, nil
}

// systemText spells an error of the system about a file as Python does.
func systemText(err error, path string) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	message := number.Error()
	return "[Errno " + big.NewInt(int64(number)).String() + "] " + strings.ToUpper(message[:1]) + message[1:] + ": " + py.Repr(path)
}
