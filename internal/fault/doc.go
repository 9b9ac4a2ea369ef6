// Package fault decides which message of a device is disturbed, and how: rules
// with counts and seeded chance, and a report of what they did. It touches no
// message itself: the rooms that speak to devices ask it at one place each, and
// do as it says. The contract for users is docs/dev-api.md.
//
//	rule.go    Rule: what it matches, what cannot be meant
//	set.go     Set: the rules in force, in order
//	report.go  what was injected when, to whom
package fault
