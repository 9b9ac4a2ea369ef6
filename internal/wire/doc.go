// Package wire knows how AWS spells things: every request and reply shape, its
// constraints, its JSON, and the name of every error on every protocol.
//
//	jobsdata/     the device plane: shapes and codec of the four operations
//	iot/          the control plane: shapes, one file per resource
//	facts.tsv     the constraints of every member: names and numbers, no prose
//	check.go      the one validator, driven by facts.tsv
//	decode.go     bodies to structs; encode.go structs to bodies (control plane)
//	errors.go     each job.Code as MQTT, data plane and control plane spell it
//	operation.go  names, methods and paths of all operations AWS has, and the
//	              scope of each: in, later or never (scope.go, scope.tsv, areas.tsv)
//	members.tsv   every member of every request, with its scope; made by a test
//
// It knows nothing of HTTP requests, MQTT packets or SQL.
package wire
