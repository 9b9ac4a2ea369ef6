package shadowdata

import (
	"time"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/shadow"
)

// Key names a shadow.
type Key struct {
	ThingName  registry.Name
	ShadowName shadow.Name // empty: the thing's classic shadow
}

// UpdateThingShadowInput is the request of UpdateThingShadow.
type UpdateThingShadowInput struct {
	Key
	Update      shadow.Update
	ClientToken *string
}

// ReadInput is the request of GetThingShadow and DeleteThingShadow.
type ReadInput struct {
	Key
	ClientToken *string
}

// UpdateThingShadowOutput is what an update has done: Request is what was
// asked, of which the reply tells, Previous the document before it and Current
// the one after, of which subscribers are told.
type UpdateThingShadowOutput struct {
	Request           shadow.Update
	Previous, Current shadow.Document
}

// Form is what a reply has beside what it tells.
type Form struct {
	ClientToken *string
	Timestamp   time.Time
}
