// Package query evaluates JMESPath expressions (jmespath.org) for --query.
//
// It is our own because of what the AWS CLI's is measured by, its output: objects
// keep the order of their keys (also in `*` and in what an expression builds),
// integers stay integers, and an expression that cannot be meant gets the same
// message. The libraries there are work on Go's maps, which have no order. A test
// holds it against one of them wherever order does not matter.
//
//	lex.go        text to tokens
//	parse.go      tokens to a tree, by binding power
//	eval.go       what each node gives for a value
//	functions.go  the functions, with what they accept
package query
