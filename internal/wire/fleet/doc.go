// Package fleet is the form of `POST /drover/v1/import`: JSON Lines, each of which
// is one request of the control plane (design.md decision 9, docs/import.md).
package fleet
