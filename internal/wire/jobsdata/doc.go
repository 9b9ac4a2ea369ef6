// Package jobsdata holds the shapes of the device plane: the request and the reply
// of the four operations of the AWS service `iot-jobs-data`, and the two
// notifications (device-plane.md 2 to 4).
//
// The structs do not know the protocol, the codec does: wire.Decode reads the
// payload of an MQTT request and wire.Bind an HTTPS one, both checked; Append writes
// a reply in the Form that the protocol wants, by hand, for it is on the path of
// every device request.
package jobsdata
