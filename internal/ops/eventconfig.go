package ops

import (
	"context"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// UpdateEventConfigurations switches event types on and off; those that it does not
// name stay (control-plane.md C).
func (c *Control) UpdateEventConfigurations(ctx context.Context, _ Caller, in *iot.UpdateEventConfigurationsInput) (*iot.UpdateEventConfigurationsOutput, error) {
	err := c.Events.change(ctx, c.Store, func(set registry.EventSet) registry.EventSet {
		for _, t := range registry.EventTypes() {
			if asked, ok := in.EventConfigurations[t.String()]; ok {
				set = set.With(t, asked.Enabled)
			}
		}
		return set
	})
	if err != nil {
		return nil, err
	}
	return &iot.UpdateEventConfigurationsOutput{}, nil
}

// DescribeEventConfigurations tells of every event type there is, for Terraform
// keeps what it is told.
func (c *Control) DescribeEventConfigurations(ctx context.Context, _ Caller, _ *iot.DescribeEventConfigurationsInput) (*iot.DescribeEventConfigurationsOutput, error) {
	var now registry.EventConfiguration
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		now, err = tx.EventConfiguration()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &iot.DescribeEventConfigurationsOutput{
		EventConfigurations: map[string]iot.Configuration{}, CreationDate: now.CreatedAt, LastModifiedDate: now.ModifiedAt,
	}
	for _, t := range registry.EventTypes() {
		out.EventConfigurations[t.String()] = iot.Configuration{Enabled: now.Enabled.Has(t)}
	}
	return out, nil
}
