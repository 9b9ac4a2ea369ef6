package operator

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Thing is what DescribeThing says of one.
type Thing struct {
	ID         string            `json:"thingId"`
	Attributes map[string]string `json:"attributes"`
	Version    int64             `json:"version"`
}

// DescribeThing reads a thing.
func (c *Client) DescribeThing(ctx context.Context, name string) (out Thing, err error) {
	err = c.call(ctx, http.MethodGet, "/things/"+url.PathEscape(name), nil, &out)
	return out, err
}

// UpdateThing sets attributes beside those that are there.
func (c *Client) UpdateThing(ctx context.Context, name string, attributes map[string]string) error {
	in := map[string]any{"attributePayload": map[string]any{"attributes": attributes, "merge": true}}
	return c.call(ctx, http.MethodPatch, "/things/"+url.PathEscape(name), in, nil)
}

// DeleteThing takes a thing away.
func (c *Client) DeleteThing(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/things/"+url.PathEscape(name), nil, nil)
}

// DescribeGroup gives a group's id.
func (c *Client) DescribeGroup(ctx context.Context, name string) (id string, err error) {
	var out struct {
		ID string `json:"thingGroupId"`
	}
	err = c.call(ctx, http.MethodGet, "/thing-groups/"+url.PathEscape(name), nil, &out)
	return out.ID, err
}

// DeleteGroup takes a group away.
func (c *Client) DeleteGroup(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/thing-groups/"+url.PathEscape(name), nil, nil)
}

// RemoveFromGroup ends a membership.
func (c *Client) RemoveFromGroup(ctx context.Context, group, thing string) error {
	in := map[string]string{"thingGroupName": group, "thingName": thing}
	return c.call(ctx, http.MethodPut, "/thing-groups/removeThingFromThingGroup", in, nil)
}

// Members lists all things of a group.
func (c *Client) Members(ctx context.Context, group string) (names []string, err error) {
	err = c.pages(ctx, "/thing-groups/"+url.PathEscape(group)+"/things", func(p *page) { names = append(names, p.Things...) })
	return names, err
}

// CreateCertificate makes an ACTIVE certificate with its keys, which are not
// kept, and gives its ARN.
func (c *Client) CreateCertificate(ctx context.Context) (arn string, err error) {
	var out struct {
		ARN string `json:"certificateArn"`
	}
	err = c.call(ctx, http.MethodPost, "/keys-and-certificate?setAsActive=true", nil, &out)
	return out.ARN, err
}

// Attach lets the holder of a certificate act for a thing.
func (c *Client) Attach(ctx context.Context, thing, certificate string) error {
	header := http.Header{"X-Amzn-Principal": {certificate}}
	return c.request(ctx, http.MethodPut, "/things/"+url.PathEscape(thing)+"/principals", header, nil, nil)
}

// Principals lists all certificates of a thing by their ARNs.
func (c *Client) Principals(ctx context.Context, thing string) (arns []string, err error) {
	err = c.pages(ctx, "/things/"+url.PathEscape(thing)+"/principals", func(p *page) { arns = append(arns, p.Principals...) })
	return arns, err
}

// Document gives a job's document.
func (c *Client) Document(ctx context.Context, id string) (string, error) {
	var out struct {
		Document string `json:"document"`
	}
	err := c.call(ctx, http.MethodGet, "/jobs/"+url.PathEscape(id)+"/job-document", nil, &out)
	return out.Document, err
}

// CancelJob cancels a job; with force also what is IN_PROGRESS.
func (c *Client) CancelJob(ctx context.Context, id string, force bool) error {
	return c.call(ctx, http.MethodPut, "/jobs/"+url.PathEscape(id)+"/cancel?force="+strconv.FormatBool(force), struct{}{}, nil)
}

// DeleteJob marks a job as being deleted; with force in any state.
func (c *Client) DeleteJob(ctx context.Context, id string, force bool) error {
	return c.call(ctx, http.MethodDelete, "/jobs/"+url.PathEscape(id)+"?force="+strconv.FormatBool(force), nil, nil)
}

// CancelExecution cancels the newest execution of a job on a thing.
func (c *Client) CancelExecution(ctx context.Context, thing, id string, force bool) error {
	path := "/things/" + url.PathEscape(thing) + "/jobs/" + url.PathEscape(id) + "/cancel?force=" + strconv.FormatBool(force)
	return c.call(ctx, http.MethodPut, path, struct{}{}, nil)
}

// DeleteExecution takes one execution away.
func (c *Client) DeleteExecution(ctx context.Context, thing, id string, number int64, force bool) error {
	path := "/things/" + url.PathEscape(thing) + "/jobs/" + url.PathEscape(id) +
		"/executionNumber/" + strconv.FormatInt(number, 10) + "?force=" + strconv.FormatBool(force)
	return c.call(ctx, http.MethodDelete, path, nil, nil)
}

// JobExecution is one execution in the list of its job.
type JobExecution struct {
	Thing  string
	Number int64
	Status string
}

// JobExecutions lists all executions of a job.
func (c *Client) JobExecutions(ctx context.Context, id string) (list []JobExecution, err error) {
	err = c.pages(ctx, "/jobs/"+url.PathEscape(id)+"/things", func(p *page) {
		for _, s := range p.Executions {
			thing := s.ThingARN[strings.LastIndexByte(s.ThingARN, '/')+1:]
			list = append(list, JobExecution{Thing: thing, Number: s.Execution.Number, Status: s.Execution.Status})
		}
	})
	return list, err
}

// Executions lists all of a thing's executions.
func (c *Client) Executions(ctx context.Context, thing string) (list []Summary, err error) {
	err = c.pages(ctx, "/things/"+url.PathEscape(thing)+"/jobs", func(p *page) {
		for _, s := range p.Executions {
			list = append(list, Summary{JobID: s.JobID, Number: s.Execution.Number, Status: s.Execution.Status})
		}
	})
	return list, err
}

// page is one answer of any list.
type page struct {
	NextToken  string   `json:"nextToken"`
	Things     []string `json:"things"`
	Principals []string `json:"principals"`
	Executions []struct {
		JobID     string    `json:"jobId"`
		ThingARN  string    `json:"thingArn"`
		Execution Execution `json:"jobExecutionSummary"`
	} `json:"executionSummaries"`
}

// pages reads a list to its end.
func (c *Client) pages(ctx context.Context, path string, take func(*page)) error {
	for token := ""; ; {
		var p page
		if err := c.call(ctx, http.MethodGet, path+"?maxResults=250"+token, nil, &p); err != nil {
			return err
		}
		take(&p)
		if p.NextToken == "" {
			return nil
		}
		token = "&nextToken=" + url.QueryEscape(p.NextToken)
	}
}

// UpdateJob gives a job another description.
func (c *Client) UpdateJob(ctx context.Context, id, description string) error {
	return c.call(ctx, http.MethodPatch, "/jobs/"+url.PathEscape(id), map[string]string{"description": description}, nil)
}

// Associate adds targets to a CONTINUOUS job.
func (c *Client) Associate(ctx context.Context, id string, targets ...string) error {
	return c.call(ctx, http.MethodPost, "/jobs/"+url.PathEscape(id)+"/targets", map[string][]string{"targets": targets}, nil)
}

// Described is what DescribeJob says of a job beside its counters.
type Described struct {
	Description string
	Targets     []string
	ReasonCode  string
}

// Describe gives a job's description, targets and reason of its cancellation.
func (c *Client) Describe(ctx context.Context, id string) (Described, error) {
	var out struct{ Job Described }
	err := c.call(ctx, http.MethodGet, "/jobs/"+url.PathEscape(id), nil, &out)
	return out.Job, err
}

// SetCertificate gives a certificate another status.
func (c *Client) SetCertificate(ctx context.Context, arn, status string) error {
	return c.call(ctx, http.MethodPut, "/certificates/"+certificateID(arn)+"?newStatus="+status, nil, nil)
}

// Certificate gives a certificate's status, and its version, which grows with
// each change of the status.
func (c *Client) Certificate(ctx context.Context, arn string) (status string, version int64, err error) {
	var out struct {
		Certificate struct {
			Status  string `json:"status"`
			Version int64  `json:"customerVersion"`
		} `json:"certificateDescription"`
	}
	err = c.call(ctx, http.MethodGet, "/certificates/"+certificateID(arn), nil, &out)
	return out.Certificate.Status, out.Certificate.Version, err
}

func certificateID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// Detach takes a certificate from a thing.
func (c *Client) Detach(ctx context.Context, thing, certificate string) error {
	header := http.Header{"X-Amzn-Principal": {certificate}}
	return c.request(ctx, http.MethodDelete, "/things/"+url.PathEscape(thing)+"/principals", header, nil, nil)
}

// EnableEvents has the service tell of events of these types.
func (c *Client) EnableEvents(ctx context.Context, types ...string) error {
	enabled := map[string]map[string]bool{}
	for _, t := range types {
		enabled[t] = map[string]bool{"Enabled": true}
	}
	return c.call(ctx, http.MethodPatch, "/event-configurations", map[string]any{"eventConfigurations": enabled}, nil)
}
