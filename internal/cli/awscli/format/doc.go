// Package format writes an answer as the AWS CLI does: --output json, text, table.
//
//	format.go   Write, and JSON
//	text.go     lines of values between tabs
//	table.go    what of an answer becomes which section of a table
//	section.go  the widths of a section's columns
//	render.go   the drawing, with colours and without
package format
