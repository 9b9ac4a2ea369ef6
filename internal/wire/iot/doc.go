// Package iot holds the shapes of the control plane: the request and the reply of
// every operation that Drover has of the AWS service `iot` (control-plane.md A,
// registry-and-auth.md D and E), one file per resource.
//
// Fields are AWS's members under Go's spelling. A tag says where a member travels:
// `uri`, `query`, `header` or `json` (the body). `later:"area"` marks a member
// that is refused with job.NotImplemented until its feature is here, and
// `later:"VALUE=area"` one value of it; deleting the tag admits it. `never:"area"`
// is for what is no part of running jobs. Areas are rows of wire/areas.tsv.
// Constraints are not here: they are rows of wire/facts.tsv.
//
// A pointer, or the zero value, is an absent member. Times are time.Time and
// enums of the domain are the domain's types; package wire knows how AWS spells them.
package iot
