package iot

import "time"

// Configuration says whether events of a type are told; its member is capitalised
// on the wire (control-plane.md C).
type Configuration struct {
	Enabled bool `json:"Enabled"`
}

// UpdateEventConfigurationsInput is the request of UpdateEventConfigurations.
type UpdateEventConfigurationsInput struct {
	EventConfigurations map[string]Configuration `json:"eventConfigurations,omitzero"`
}

// UpdateEventConfigurationsOutput is the reply of UpdateEventConfigurations.
type UpdateEventConfigurationsOutput struct{}

// DescribeEventConfigurationsInput is the request of DescribeEventConfigurations.
type DescribeEventConfigurationsInput struct{}

// DescribeEventConfigurationsOutput is the reply of DescribeEventConfigurations.
type DescribeEventConfigurationsOutput struct {
	EventConfigurations map[string]Configuration `json:"eventConfigurations"`
	CreationDate        time.Time                `json:"creationDate,omitzero"`
	LastModifiedDate    time.Time                `json:"lastModifiedDate,omitzero"`
}
