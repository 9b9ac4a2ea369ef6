package wire

import (
	"regexp"
	"unicode"
)

// pattern is a constraint on the characters of a value, under the name that
// facts.tsv uses. Text is AWS's regular expression, for messages; match says
// whether the whole value satisfies it. Most are Java's and not Go's, or are asked
// on every device request, so match is code.
type pattern struct {
	text  string
	match func(string) bool
}

// patterns is every pattern of facts.tsv by name.
var patterns = map[string]*pattern{
	"name":      {`[a-zA-Z0-9:_-]+`, bytesOf(alnum + ":_-").nonempty},
	"id":        {`[a-zA-Z0-9_-]+`, bytesOf(alnum + "_-").nonempty},
	"idOrNext":  {`[a-zA-Z0-9_-]+|^\$next`, func(s string) bool { return s == "$next" || bytesOf(alnum+"_-").nonempty(s) }},
	"uuid":      {`[a-zA-Z0-9\-]+`, bytesOf(alnum + "-").nonempty},
	"hex":       {`(0x)?[a-fA-F0-9]+`, regexp.MustCompile(`^(0x)?[a-fA-F0-9]+$`).MatchString},
	"digits":    {`[0-9]+`, bytesOf("0123456789").nonempty},
	"marker":    {`[A-Za-z0-9+/]+={0,2}`, regexp.MustCompile(`^[A-Za-z0-9+/]+={0,2}$`).MatchString},
	"arn":       {`^arn:[!-~]+$`, regexp.MustCompile(`^arn:[!-~]+$`).MatchString},
	"any":       {`[\s\S]*`, func(string) bool { return true }},
	"printable": {`[\p{Graph}\x20]*`, func(s string) bool { return every(s, func(r rune) bool { return r >= ' ' && r <= '~' }) }},
	// Unicode category C, as AWS states it for text.
	"text": {`[^\p{C}]+`, func(s string) bool { return s != "" && every(s, notControl) }},
	// The same for what devices report, but for TAB, LF and CR, which the AWS Device
	// Client sends and AWS stores (device-plane.md 2.5).
	"detail":              {`[^\p{C}]+`, func(s string) bool { return s != "" && every(s, notControlInDetail) }},
	"reasonCode":          {`[\p{Upper}\p{Digit}_]+`, bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_").nonempty},
	"attributeName":       {`[a-zA-Z0-9_.,@/:#-]+`, bytesOf(alnum + "_.,@/:#-").nonempty},
	"attributeValue":      {`[a-zA-Z0-9_.,@/:#=\[\]-]*`, bytesOf(alnum + "_.,@/:#=[]-").only},
	"userProperty":        {`[a-zA-Z0-9:$.]+`, bytesOf(alnum + ":$.").nonempty},
	"connectionAttribute": {`[a-zA-Z0-9:.]+`, bytesOf(alnum + ":.").nonempty},
	"tagKey":              {`^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, regexp.MustCompile(`^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`).MatchString},
}

const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// byteSet is a set of ASCII characters.
type byteSet [2]uint64

func bytesOf(chars string) byteSet {
	var b byteSet
	for i := range len(chars) {
		b[chars[i]>>6] |= 1 << (chars[i] & 63)
	}
	return b
}

func (b byteSet) only(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 128 || b[c>>6]&(1<<(c&63)) == 0 {
			return false
		}
	}
	return true
}

func (b byteSet) nonempty(s string) bool { return s != "" && b.only(s) }

func every(s string, ok func(rune) bool) bool {
	for _, r := range s {
		if !ok(r) {
			return false
		}
	}
	return true
}

func notControl(r rune) bool { return r >= ' ' && r < 0x7f || !unicode.Is(unicode.C, r) }

func notControlInDetail(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || notControl(r)
}
