// Package e2e drives a built drover as its users do: with the AWS CLI, boto3,
// aws-sdk-go-v2, paho for MQTT 3.1.1 and 5, mosquitto's clients, and AWS's device
// SDKs, against `drover dev` and `drover serve` as processes of their own.
//
//	main_test.go     builds the binary once
//	drover_test.go   a running server: start, restart, stop, its doors
//	clients_test.go  finds the clients; the only place that may skip
//	match_test.go    replies against patterns of JSON
//	aws_forks_test.go  the pinned AWS CLI many times, for a table
//	device_test.go   one device, whichever MQTT client it is made of
//	script_test.go   a program of js or python, written as a user would
//
// It is a module of its own: the SDKs that it pins never reach the product.
package e2e
