// Package conversation runs the conversations of testdata/conversations: files
// that a device engineer can read, each a dialogue with the server that shows
// rows of the tables of device-plane.md. One file runs over MQTT and over
// HTTPS; the runner knows what differs between the two by rule, so that the file
// says it once. It is a test-only room: nothing imports it.
//
// A file is a txtar archive. Its comment has a title, prose, and the headers
//
//	rows: 3.4-self-transition 0-05-versions   the rows it shows (testdata/rows.tsv)
//	over: mqtt                                default: mqtt http
//	server: --pending-limit=2                 flags of the server
//
// and each of its entries is one step; `mqtt:` or `http:` before a step limits
// it to one protocol. `{{x*12}}` stands for twelve x. Clocks are the server's:
// it stands still at T and 0.678 seconds until a step moves it.
//
//	thing NAME...                      register things
//	job ID THING... [timeout=MIN] [namespace=NS]   create a job with this document, wait until it is queued; ID may hold {1..12}
//	operator METHOD PATH               a control-plane request
//	request METHOD PATH [signed=SERVICE] [host=NAME]   a data-plane request as it stands
//	answer STATUS [TYPE]               what the request before it was answered
//	gone JOB                           wait until a deleted job is gone
//	clock +10s                         domain time moves, and what is due happens
//	restart                            the server stops and starts
//	break storage, mend storage        the store fails, the store works
//
//	device get|start-next THING        an operation over the protocol of the run,
//	device describe|update THING JOB     with the body as payload, body or query; quoted: as a Go string
//	accepted [in order]                its success, without clientToken and timestamp
//	rejected CODE                      its refusal, without code, clientToken and timestamp
//
//	notify THING [namespace=NS], notify-next THING [in order]   the next push for the thing, without timestamp
//	silence                            no push is left
//	forget pushes                      the pushes so far do not matter
//
//	connect CLIENT [as=NAME] [v5] [persistent] [expiry=S] [keepalive=S] [session=new|present] [refused=CODE]
//	        [will=TOPIC will-qos=N will-retain]   an MQTT connection; the body is the will
//	connack CLIENT                     the properties of its CONNACK
//	subscribe CLIENT FILTER... [qos=N] [granted=N] [subscription-id=N] [unanswered]
//	unsubscribe CLIENT FILTER...       and its UNSUBACK, on MQTT 5 with success for each
//	publish CLIENT TOPIC [qos=N] [retain] [reason=CODE] [unanswered] [quoted] [response-topic=T] [correlation=D]
//	receive CLIENT TOPIC [qos=N] [retain] [in order]   the next message of this client, whole
//	nothing CLIENT                     no message is left, nor one on its way
//	ping CLIENT, auth CLIENT           PINGREQ and its answer; an AUTH packet
//	disconnect CLIENT [with-will], drop CLIENT   with DISCONNECT, without
//	closed CLIENT [reason=CODE]        the server ends the connection
//
// Expected JSON is exact: a missing key fails and so does one too many; `in
// order` also compares the order of keys. In place of a value may stand
//
//	"T", "T+10"        whole seconds of the server's start, and ten later
//	"T+10.678"         the same as operators read it
//	"$string" "$int" "$number" "$uuid"   any such value
//	"$has words"       a string with these words in it
//	"$at-least 5"      a number that is not smaller
//	"$maybe"           any value, or no key at all
//
// If a conversation has a step about pushes, every push must be expected: one
// that no step names fails it.
//
//	script.go   files to steps        match.go    expected and actual JSON
//	run.go      steps to verdicts     device.go   the operations over both protocols
//	push.go     what devices are told mqttsteps.go, mqttclient.go, packet.go   MQTT byte by byte
//	rows.go     testdata/rows.tsv
package conversation
