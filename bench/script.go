package main

import (
	"fmt"
	"strings"
)

// Mode is what a connection of the generator asks for, again and again.
type Mode string

// The modes of the generator.
const (
	Echo   Mode = "echo"   // publish on bench/req/N, the responder answers on bench/rep/N
	Update Mode = "update" // a progress report, UpdateJobExecution
	Next   Mode = "next"   // DescribeJobExecution of $next
	Idle   Mode = "idle"   // one GetPendingJobExecutions, then silence
)

// script is what one connection says: who it is, what it listens to, and the
// request it repeats.
type script struct {
	clientID string
	filter   string // the exact topic of the answer
	topic    string
	payload  []byte
	counter  int // where the payload holds its counter digits; -1 = nowhere
}

const (
	requestTopic = "bench/req/"
	replyTopic   = "bench/rep/"

	// payloadSize is the size of a request's payload, and of an echo's answer.
	payloadSize = 300

	counterDigits = 10
	counterMark   = "##########"
)

// jobDocument makes the answer to $next about as long as an echo's.
const jobDocument = `{"operation":"firmware-update","version":"4.2.17","url":"https://updates.example.com/fw-4.2.17.bin"}`

func thingName(i int) string { return fmt.Sprintf("bench-%06d", i) }

// scriptFor is what connection i says. job is the job of mode update.
func scriptFor(m Mode, i int, job string) script {
	thing := thingName(i)
	jobs := "$aws/things/" + thing + "/jobs/"
	s := script{clientID: thing, counter: -1}
	switch m {
	case Echo:
		s.topic, s.filter = fmt.Sprint(requestTopic, i), fmt.Sprint(replyTopic, i)
		s.setPayload(`{"clientToken":"` + counterMark + `","data":"%s"}`)
	case Update:
		s.topic = jobs + job + "/update"
		s.filter = s.topic + "/accepted"
		s.setPayload(`{"status":"IN_PROGRESS","clientToken":"` + counterMark +
			`","statusDetails":{"step":"download","progress":"57","note":"%s"}}`)
	case Next:
		s.topic = jobs + "$next/get"
		s.filter = s.topic + "/accepted"
		s.setPayload(`{"clientToken":"` + counterMark + `","includeJobDocument":true,"unused":"%s"}`)
	case Idle:
		s.topic = jobs + "get"
		s.filter = jobs + "#"
		s.payload = []byte("{}")
	}
	return s
}

// setPayload fills the one %s of the form so that the payload has its size.
func (s *script) setPayload(form string) {
	pad := payloadSize - len(form) + len("%s")
	s.payload = fmt.Appendf(nil, form, strings.Repeat("x", pad))
	s.counter = strings.Index(form, counterMark)
}

// setCounter writes n into the payload, so that no two requests are alike.
func setCounter(digits []byte, n uint64) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
}
