// Package jobsdata holds the shapes of the device plane: the request and the reply
// of the four operations of the AWS service `iot-jobs-data`, and the two
// notifications (device-plane.md 2 to 4).
//
// The structs do not know the protocol, the codec does: Decode… reads the body of
// an MQTT request or of an HTTPS one, Append writes a reply in the Form that the
// protocol wants. Both are written by hand, for they are on the path of every
// device request.
package jobsdata
