package job

// Message is what everybody who listens to its topic is told of a commit: an event
// of control-plane.md C. An Effect is for the devices of one thing.
type Message struct {
	Topic string
	Body  any // what it says: rendered after the commit, if anybody listens then
	// Payload is Body as it is published: given for one that a persistent session
	// must hear, which is then kept until it was given to the session.
	Payload []byte
	Row     int64 // of one that is kept
}
