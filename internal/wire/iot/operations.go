package iot

import (
	_ "embed"
	"sync"

	"github.com/drover-iot/drover/internal/wire"
)

// Service is the name of this service in a credential scope
// (registry-and-auth.md F.1).
const Service = "iot"

//go:embed operations.tsv
var operationsTable string

//go:embed scope.tsv
var scopeTable string

// Operations lists every operation of the service, in order of name, with its
// scope. The caller must not change it.
var Operations = sync.OnceValue(func() []wire.Operation {
	ops, err := wire.ParseOperations(operationsTable, scopeTable)
	if err != nil {
		panic("iot/operations: " + err.Error()) // the table is ours, and tested
	}
	return ops
})
