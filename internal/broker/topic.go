package broker

import "strings"

// Limits of names (device-plane.md 6.2).
const (
	maxTopicBytes   = 256
	maxTopicSlashes = 7
	maxClientID     = 128
)

// validTopic reports whether a client may publish to topic: not empty, no
// wildcard, within the limits; reserved topics may have more levels.
func validTopic(topic string) bool {
	return withinLimits(topic) && !strings.ContainsAny(topic, "+#")
}

// validFilter reports whether filter may be subscribed to: a wildcard stands
// alone in its level, # in the last one only (4.7.1). Shared subscriptions are
// not supported.
func validFilter(filter string) bool {
	if !withinLimits(filter) || strings.HasPrefix(filter, "$share/") {
		return false
	}
	if !strings.ContainsAny(filter, "+#") {
		return true
	}
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if level == "#" {
			return !more
		}
		if level != "+" && strings.ContainsAny(level, "+#") {
			return false
		}
	}
	return true
}

func withinLimits(name string) bool {
	return name != "" && len(name) <= maxTopicBytes &&
		(strings.Count(name, "/") <= maxTopicSlashes || strings.HasPrefix(name, "$aws/"))
}

func isWildcard(filter string) bool { return strings.ContainsAny(filter, "+#") }

// Match reports whether filter matches topic by AWS's rules (device-plane.md
// 6.3): a/# does not match a, and a leading wildcard never matches a topic that
// begins with $. Both must be valid.
func Match(filter, topic string) bool {
	if filter == topic {
		return true
	}
	if topic[0] == '$' && (filter[0] == '+' || filter[0] == '#') {
		return false
	}
	for {
		f, frest, fmore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, trest, tmore := strings.Cut(topic, "/")
		if f != "+" && f != t || fmore != tmore {
			return false
		}
		if !fmore {
			return true
		}
		filter, topic = frest, trest
	}
}
