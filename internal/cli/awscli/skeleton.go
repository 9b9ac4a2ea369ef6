package awscli

import "github.com/drover-iot/drover/internal/cli/awscli/py"

// example makes a value of a shape. Texts are empty or, for an answer, the names of
// their members; of an enum the first is taken, where the AWS CLI draws one.
func example(s *Shape, name string, named bool) any {
	switch s.Kind {
	case Structure:
		d := &py.Dict{}
		for _, m := range s.Members {
			d.Set(m.Name, example(m.Shape, m.Name, named))
		}
		return d
	case List:
		return []any{example(s.Elem, "", named)}
	case Map:
		return py.NewDict("KeyName", example(s.Value, "", named))
	case Boolean:
		return true
	case Long:
		return py.Int(0)
	}
	switch {
	case named:
		return name
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	return ""
}
