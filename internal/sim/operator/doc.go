// Package operator calls the control plane over HTTP, as an operator's SDK
// would, for the benchmark and the crash tests.
//
// It knows only the operations these need. Requests carry an Authorization
// header of the right form whose credential scope names the service `iot`,
// which is how a server tells the planes apart (control-plane.md A.2); it holds
// no real signature, for `drover dev` accepts any key.
package operator
