// Package shadow is the rules of a device shadow's document: what an update
// merges, what it takes away, where desired and reported differ, and which
// timestamps go with it. Pure functions of values, as package job; a document
// is a tree of values here and JSON in wire/shadowdata. It knows nothing of
// jobs but their error type (docs/adr/0005-a-room-for-shadows.md).
//
//	value.go      trees: copy, compare, check
//	document.go   what an update makes of a document
package shadow
