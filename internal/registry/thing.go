package registry

import "time"

// Thing is a registered device (registry-and-auth.md D.2, D.3).
type Thing struct {
	Key        int64  // internal id, never reused
	UUID       string // thingId
	Name       Name
	Type       TypeName // empty: it has none
	Attributes map[string]string
	Version    int64 // 1 at creation, +1 for each update
	CreatedAt  time.Time
}

// Group is a static thing group.
type Group struct {
	Key         int64
	UUID        string // thingGroupId
	Name        GroupName
	Parent      int64 // key of its parent, which never changes; 0: it is a root
	Description string
	Attributes  map[string]string
	Version     int64
	CreatedAt   time.Time
}

// NewThing is a thing as it is first registered.
func NewThing(uuid string, name Name, attributes map[string]string, now time.Time) Thing {
	return Thing{UUID: uuid, Name: name, Attributes: attributes, Version: 1, CreatedAt: now}
}
