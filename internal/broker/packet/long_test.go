package packet

import (
	"bytes"
	"strings"
	"testing"
)

// A length field has two bytes: what it cannot say must not be said wrong, for
// then all that follows on the connection is.
func TestAStringThatNoPacketCanCarryIsNotWritten(t *testing.T) {
	fits, long := strings.Repeat("t", 65535), strings.Repeat("t", 65536)
	before := []byte("before")
	for name, row := range map[string]struct {
		topic string
		props Properties
		want  bool
	}{
		"a topic that fits":          {fits, nil, true},
		"a topic that does not":      {long, nil, false},
		"a property that fits":       {"t", Properties{{ID: UserProperty, Str: fits, Val: fits}}, true},
		"a property that does not":   {"t", Properties{{ID: ContentType, Str: long}}, false},
		"a value that does not":      {"t", Properties{{ID: UserProperty, Str: "n", Val: long}}, false},
		"correlation data too long":  {"t", Properties{{ID: CorrelationData, Str: long}}, false},
		"the second of two too long": {"t", Properties{{ID: UserProperty}, {ID: UserProperty, Str: long}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := AppendPublish(bytes.Clone(before), V5, row.topic, []byte("p"), 1, false, 1, row.props)
			if CanPublish(row.topic, row.props) != row.want || len(got) > len(before) != row.want || !bytes.HasPrefix(got, before) {
				t.Errorf("%d bytes were written after %d", len(got)-len(before), len(before))
			}
			if !row.want {
				return
			}
			h, n, err := ParseHeader(got[len(before):])
			if err != nil {
				t.Fatal(err)
			}
			var p Publish
			if err := ParsePublish(h, got[len(before)+n:], V5, &p); err != nil || string(p.Topic) != row.topic {
				t.Errorf("read back: %v", err)
			}
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("a string was cut")
		}
	}()
	appendStr(nil, long)
}
