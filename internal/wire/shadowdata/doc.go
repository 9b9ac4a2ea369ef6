// Package shadowdata has the requests and replies of the device shadow service
// and their JSON, over MQTT topics and HTTPS alike. The rules of a document are
// in package shadow; here it is text.
//
//	shapes.go   requests and replies
//	decode.go   text to requests, and to stored documents
//	encode.go   replies and documents to text
package shadowdata
