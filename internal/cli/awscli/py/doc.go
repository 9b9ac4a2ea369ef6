// Package py holds values as the AWS CLI has them, which is written in Python, and
// spells them as it does: what is printed on stdout and said on stderr must be the
// same, byte for byte.
//
//	value.go    Dict, which keeps the order of its keys, and the other values
//	repr.go     str() and repr(), the names of types, int() of a text
//	decode.go   JSON text to values, with the messages of Python's decoder
//	encode.go   values to JSON text, indented
//	match.go    what a mistyped word may have meant (difflib)
package py
