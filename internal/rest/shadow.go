package rest

import (
	"context"

	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/shadow"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/shadowdata"
)

// Shadow carries out a request for a device shadow, with the verb get, update or
// delete: (*mqtt.Gateway).Shadow, so that its subscribers hear what it changes.
type Shadow func(ctx context.Context, c ops.Caller, verb string, key shadowdata.Key, payload []byte) ([]byte, error)

// shadowOperations are those of service iotdata that are here.
var shadowOperations = map[string]wire.Operation{
	"get":    {Name: "GetThingShadow", Method: "GET", Path: "/things/{thingName}/shadow", Status: 200, Body: true},
	"update": {Name: "UpdateThingShadow", Method: "POST", Path: "/things/{thingName}/shadow", Status: 200, Body: true},
	"delete": {Name: "DeleteThingShadow", Method: "DELETE", Path: "/things/{thingName}/shadow", Status: 200, Body: true},
}

// call is the operation of a verb: the body is the document as it is, except
// of a read, which has none.
func (s Shadow) call(verb string) call {
	return func(ctx context.Context, c ops.Caller, members func(location, name string) (string, bool), body []byte) ([]byte, error) {
		thing, _ := members("uri", "thingName")
		name, _ := members("query", "name")
		if verb != "update" {
			body = nil
		}
		return s(ctx, c, verb, shadowdata.Key{ThingName: registry.Name(thing), ShadowName: shadow.Name(name)}, body)
	}
}
