package wire_test

import (
	"strings"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
	"github.com/google/go-cmp/cmp"
)

func registryName(n int) registry.Name { return registry.Name(strings.Repeat("n", n)) }

// from serves the members of an HTTP request: "uri:jobId" and so on.
type from map[string]string

func (f from) get(location, name string) (string, bool) {
	v, ok := f[location+":"+name]
	return v, ok
}

func TestBindTakesMembersFromWhereTheyTravel(t *testing.T) {
	rows := map[string]struct {
		in   any
		src  from
		body string
		want any
	}{
		"CancelJob: path, query and body": {
			new(iot.CancelJobInput),
			from{"uri:jobId": "j", "query:force": "true"},
			`{"reasonCode":"BAD_1","comment":"no","force":"ignored"}`,
			&iot.CancelJobInput{JobID: "j", Force: true, ReasonCode: "BAD_1", Comment: "no"},
		},
		"force=false is sent by clients and is false (G)": {
			new(iot.DeleteJobInput), from{"uri:jobId": "j", "query:force": "false"}, "", &iot.DeleteJobInput{JobID: "j"},
		},
		"ListJobs: enums of the domain": {
			new(iot.ListJobsInput),
			from{"query:status": "IN_PROGRESS", "query:maxResults": "250", "query:targetSelection": "CONTINUOUS"},
			"",
			&iot.ListJobsInput{Status: job.JobInProgress, MaxResults: ptr(int64(250)), TargetSelection: "CONTINUOUS"},
		},
		"AttachThingPrincipal: the principal is a header": {
			new(iot.AttachThingPrincipalInput),
			from{"uri:thingName": "a:b", "header:x-amzn-principal": "arn:aws:iot:r:1:cert/a"},
			"",
			&iot.AttachThingPrincipalInput{ThingName: "a:b", Principal: "arn:aws:iot:r:1:cert/a"},
		},
		"DeleteJobExecution: a number in the path": {
			new(iot.DeleteJobExecutionInput),
			from{"uri:thingName": "t", "uri:jobId": "j", "uri:executionNumber": "0"},
			"",
			&iot.DeleteJobExecutionInput{ThingName: "t", JobID: "j"},
		},
		"a body where the operation has none is not read": {
			new(iot.DescribeJobInput), from{"uri:jobId": "j"}, `not JSON`, &iot.DescribeJobInput{JobID: "j"},
		},
		"CreateThing: a structure": {
			new(iot.CreateThingInput),
			from{"uri:thingName": "t"},
			`{"attributePayload":{"attributes":{"a":"1","b":""},"unknown":1}}`,
			&iot.CreateThingInput{ThingName: "t", AttributePayload: &iot.AttributePayload{Attributes: map[string]string{"a": "1", "b": ""}}},
		},
		"UpdateThing: an empty payload clears, it is not absent (D.3)": {
			new(iot.UpdateThingInput),
			from{"uri:thingName": "t"},
			`{"attributePayload":{}}`,
			&iot.UpdateThingInput{ThingName: "t", AttributePayload: &iot.AttributePayload{}},
		},
		"CreateJob with what is here": {
			new(iot.CreateJobInput),
			from{"uri:jobId": "j"},
			`{"targets":["arn:aws:iot:r:1:thing/t"],"document":"{}","description":"d","targetSelection":"CONTINUOUS","timeoutConfig":{"inProgressTimeoutInMinutes":30},
			  "jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"ALL","numberOfRetries":0}]},"jobExecutionsRolloutConfig":{"maximumPerMinute":5000},
			  "tags":[],"documentParameters":{},"destinationPackageVersions":[],"abortConfig":null}`,
			&iot.CreateJobInput{
				JobID: "j", Targets: []string{"arn:aws:iot:r:1:thing/t"}, Document: "{}", Description: "d", TargetSelection: "CONTINUOUS",
				JobExecutionsRetryConfig:   &iot.JobExecutionsRetryConfig{CriteriaList: []iot.RetryCriteria{{FailureType: "ALL", NumberOfRetries: ptr(int64(0))}}},
				JobExecutionsRolloutConfig: &iot.JobExecutionsRolloutConfig{MaximumPerMinute: ptr(int64(5000))},
				TimeoutConfig:              &iot.TimeoutConfig{InProgressTimeoutInMinutes: ptr(int64(30))},
				Tags:                       []iot.Tag{}, DocumentParameters: map[string]string{}, DestinationPackageVersions: []string{},
			},
		},
		"the device plane over HTTPS has no clientToken (2.4)": {
			new(jobsdata.UpdateJobExecutionInput),
			from{"uri:thingName": "t", "uri:jobId": "j"},
			`{"status":"SUCCEEDED","clientToken":5}`,
			&jobsdata.UpdateJobExecutionInput{ThingName: "t", JobID: "j", Status: job.Succeeded},
		},
		"the device plane's describe takes query strings (3.3)": {
			new(jobsdata.DescribeJobExecutionInput),
			from{"uri:thingName": "t", "uri:jobId": "$next", "query:includeJobDocument": "false", "query:executionNumber": "2"},
			"",
			&jobsdata.DescribeJobExecutionInput{ThingName: "t", JobID: "$next", IncludeJobDocument: ptr(false), ExecutionNumber: ptr(int64(2))},
		},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			if err := wire.Bind(r.in, r.src.get, []byte(r.body)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(r.want, r.in); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBindRefuses(t *testing.T) {
	job1 := from{"uri:jobId": "j"}
	rows := map[string]struct {
		in      any
		src     from
		body    string
		code    job.Code
		message string
	}{
		"a query boolean other than true or false (11 row 22)": {
			new(jobsdata.DescribeJobExecutionInput),
			from{"uri:thingName": "t", "uri:jobId": "j", "query:includeJobDocument": "TRUE"},
			"", job.InvalidRequest,
			"Value 'TRUE' at 'includeJobDocument' failed to satisfy constraint: Member must be a boolean, true or false",
		},
		"an empty query boolean": {
			new(iot.DeleteJobInput), from{"uri:jobId": "j", "query:force": ""}, "", job.InvalidRequest, "Member must be a boolean",
		},
		"maxResults 0":    {new(iot.ListThingsInput), from{"query:maxResults": "0"}, "", job.InvalidRequest, "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"maxResults 251":  {new(iot.ListThingsInput), from{"query:maxResults": "251"}, "", job.InvalidRequest, "less than or equal to 250"},
		"maxResults text": {new(iot.ListThingsInput), from{"query:maxResults": "ten"}, "", job.InvalidRequest, "Member must be an integer"},
		"an unknown status": {
			new(iot.ListJobsInput),
			from{"query:status": "QUEUED"},
			"", job.InvalidRequest,
			"Member must satisfy enum value set: [IN_PROGRESS, CANCELED, COMPLETED, DELETION_IN_PROGRESS, SCHEDULED]",
		},
		"a token that is not UTF-8":              {new(iot.ListThingsInput), from{"query:nextToken": "\xff"}, "", job.InvalidRequest, "Value '�' at 'nextToken' failed to satisfy constraint: Member must be UTF-8"},
		"an empty status":                        {new(iot.ListJobsInput), from{"query:status": ""}, "", job.InvalidRequest, "enum value set"},
		"an empty name in a query":               {new(iot.ListJobsInput), from{"query:thingGroupName": ""}, "", job.InvalidRequest, "Member must have length greater than or equal to 1"},
		"jobId of the model":                     {new(iot.CreateJobInput), from{"uri:jobId": "bad id/é"}, `{"targets":["a"]}`, job.InvalidRequest, "Value 'bad id/é' at 'jobId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"},
		"no targets":                             {new(iot.CreateJobInput), job1, `{}`, job.InvalidRequest, "Value null at 'targets'"},
		"an empty list of targets":               {new(iot.CreateJobInput), job1, `{"targets":[]}`, job.InvalidRequest, "Value at 'targets' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"a target too long":                      {new(iot.CreateJobInput), job1, `{"targets":["a","` + strings.Repeat("x", 2049) + `"]}`, job.InvalidRequest, "at 'targets.2.member' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		"a target that is a number":              {new(iot.CreateJobInput), job1, `{"targets":["a",5]}`, job.InvalidRequest, "at 'targets.2.member' failed to satisfy constraint: Member must be a string"},
		"targets a string":                       {new(iot.CreateJobInput), job1, `{"targets":"a"}`, job.InvalidRequest, "at 'targets' failed to satisfy constraint: Member must be a list"},
		"a document too long":                    {new(iot.CreateJobInput), job1, `{"targets":["a"],"document":"` + strings.Repeat("x", 32769) + `"}`, job.InvalidRequest, "at 'document' failed to satisfy constraint: Member must have length less than or equal to 32768"},
		"a line feed in a comment":               {new(iot.CancelJobInput), job1, `{"comment":"a\nb"}`, job.InvalidRequest, "at 'comment'"},
		"a reason in lower case":                 {new(iot.CancelJobInput), job1, `{"reasonCode":"bad"}`, job.InvalidRequest, "[\\p{Upper}\\p{Digit}_]+"},
		"an increment factor of 5.1":             {new(iot.CreateJobInput), job1, `{"targets":["a"],"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":1,"incrementFactor":5.1,"rateIncreaseCriteria":{}}}}`, job.InvalidRequest, "at 'jobExecutionsRolloutConfig.exponentialRate.incrementFactor' failed to satisfy constraint: Member must have value less than or equal to 5"},
		"an increment factor of 1.09":            {new(iot.CreateJobInput), job1, `{"targets":["a"],"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":1,"incrementFactor":1.09,"rateIncreaseCriteria":{}}}}`, job.InvalidRequest, "at 'jobExecutionsRolloutConfig.exponentialRate.incrementFactor'"},
		"a rate that grows by nothing named":     {new(iot.CreateJobInput), job1, `{"targets":["a"],"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":1,"incrementFactor":2}}}`, job.InvalidRequest, "Value null at 'jobExecutionsRolloutConfig.exponentialRate.rateIncreaseCriteria'"},
		"a rate of 0":                            {new(iot.CreateJobInput), job1, `{"targets":["a"],"jobExecutionsRolloutConfig":{"maximumPerMinute":0}}`, job.InvalidRequest, "at 'jobExecutionsRolloutConfig.maximumPerMinute'"},
		"eleven retries":                         {new(iot.CreateJobInput), job1, `{"targets":["a"],"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"ALL","numberOfRetries":11}]}}`, job.InvalidRequest, "at 'jobExecutionsRetryConfig.criteriaList.1.member.numberOfRetries'"},
		"REJECTED is no reason for a retry":      {new(iot.CreateJobInput), job1, `{"targets":["a"],"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"REJECTED","numberOfRetries":1}]}}`, job.InvalidRequest, "at 'jobExecutionsRetryConfig.criteriaList.1.member.failureType'"},
		"three retry criteria":                   {new(iot.CreateJobInput), job1, `{"targets":["a"],"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"ALL","numberOfRetries":1},{"failureType":"ALL","numberOfRetries":1},{"failureType":"ALL","numberOfRetries":1}]}}`, job.InvalidRequest, "at 'jobExecutionsRetryConfig.criteriaList'"},
		"presignedUrlConfig of UpdateJob, later": {new(iot.UpdateJobInput), job1, `{"presignedUrlConfig":{"expiresInSec":60}}`, job.NotImplemented, "'presignedUrlConfig'"},
		"a timeout of 0 minutes":                 {new(iot.CreateJobInput), job1, `{"targets":["a"],"timeoutConfig":{"inProgressTimeoutInMinutes":0}}`, job.InvalidRequest, "at 'timeoutConfig.inProgressTimeoutInMinutes'"},
		"a timeout in a string":                  {new(iot.CreateJobInput), job1, `{"targets":["a"],"timeoutConfig":{"inProgressTimeoutInMinutes":"5"}}`, job.InvalidRequest, "at 'timeoutConfig.inProgressTimeoutInMinutes' failed to satisfy constraint: Member must be an integer"},
		"an attribute with a space":              {new(iot.CreateThingInput), from{"uri:thingName": "t"}, `{"attributePayload":{"attributes":{"a":"b c"}}}`, job.InvalidRequest, "at 'attributePayload.attributes.a'"},
		"no principal":                           {new(iot.AttachThingPrincipalInput), from{"uri:thingName": "t"}, "", job.InvalidRequest, "Value null at 'principal'"},
		"a body that is not JSON":                {new(iot.CancelJobInput), job1, `{`, job.InvalidJSON, "ends before it is complete"},
		"abortConfig with wrong values":          {new(iot.CreateJobInput), job1, `{"targets":["a"],"abortConfig":{"criteriaList":[{"failureType":"NONE","action":"CANCEL","thresholdPercentage":100.5}]}}`, job.InvalidRequest, "3 validation errors detected: Value 'NONE' at 'abortConfig.criteriaList.1.member.failureType'"},
		"mqtt5Configuration, later":              {new(iot.CreateThingTypeInput), from{"uri:thingTypeName": "g"}, `{"thingTypeProperties":{"mqtt5Configuration":{}}}`, job.NotImplemented, "'thingTypeProperties.mqtt5Configuration' (propagating attributes)"},
		"an event type that there is not":        {new(iot.UpdateEventConfigurationsInput), from{}, `{"eventConfigurations":{"JOBS":{"Enabled":true}}}`, job.InvalidRequest, "Value 'JOBS' at 'eventConfigurations' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy enum value set: [THING, "},
		"an event configuration that is a text":  {new(iot.UpdateEventConfigurationsInput), from{}, `{"eventConfigurations":{"JOB":"on"}}`, job.InvalidRequest, "at 'eventConfigurations.JOB' failed to satisfy constraint: Member must be an object"},
		"a tag without a key":                    {new(iot.TagResourceInput), from{}, `{"resourceArn":"a","tags":[{"Value":"b"}]}`, job.InvalidRequest, "Value null at 'tags.1.member.Key'"},
		"a namespace with a colon":               {new(iot.DeleteJobInput), from{"uri:jobId": "j", "query:namespaceId": "a:b"}, "", job.InvalidRequest, "at 'namespaceId'"},
		"a namespace of 65":                      {new(iot.CreateJobInput), from{"uri:jobId": "j"}, `{"targets":["t"],"namespaceId":"` + strings.Repeat("n", 65) + `"}`, job.InvalidRequest, "at 'namespaceId'"},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			code, message := codeOf(t, wire.Bind(r.in, r.src.get, []byte(r.body)))
			if code != r.code || !strings.Contains(message, r.message) {
				t.Errorf("code %d, message %q; expected %d and %q", code, message, r.code, r.message)
			}
		})
	}
}

func TestEveryLaterMemberOfCreateJobIsRefusedByName(t *testing.T) {
	bodies := map[string]string{
		"documentSource":             `"https://example.com/a"`,
		"presignedUrlConfig":         `{"expiresInSec":60}`,
		"jobTemplateArn":             `"arn:aws:iot:r::jobtemplate/x"`,
		"documentParameters":         `{"a":"b"}`,
		"schedulingConfig":           `{"startTime":"2030-01-01T00:00"}`,
		"destinationPackageVersions": `["arn:aws:iot:r:1:package/a/version/1"]`,
	}
	for member, value := range bodies {
		err := wire.Bind(new(iot.CreateJobInput), from{"uri:jobId": "j"}.get, []byte(`{"targets":["a"],"document":"{}","`+member+`":`+value+`}`))
		if code, message := codeOf(t, err); code != job.NotImplemented || !strings.Contains(message, "'"+member+"'") {
			t.Errorf("%s: code %d, message %q", member, code, message)
		}
	}
}
