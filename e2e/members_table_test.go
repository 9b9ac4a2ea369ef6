package e2e

// memberChapters send the members that no story needs, so that every member of
// every request is sent by some command (coverage_test.go).
var memberChapters = []chapter{
	{"members of things", []command{
		{run: "iot create-thing --thing-name p-1 --attribute-payload attributes={site=north-1},merge=true", want: thing("p-1")},
		{run: "iot create-thing --thing-name p-2 --attribute-payload attributes={site=north-2}", want: thing("p-2")},
		{
			run:  "iot list-things --attribute-name site --attribute-value north --use-prefix-attribute-value --query things[].thingName",
			want: `["p-1","p-2"]`,
		},
		{run: "iot list-things --attribute-name site --attribute-value north --query things[].thingName", want: `[]`},
		{run: "iot update-thing --thing-name p-1 --attribute-payload attributes={site=south} --expected-version 1"},
		{run: "iot describe-thing --thing-name p-1 --query [attributes,version]", want: `[{"site":"south"},2]`},
		{run: "iot create-thing --thing-name spare", want: thing("spare")},
		{run: "iot delete-thing --thing-name spare --expected-version 1"},
		{run: "iot describe-thing --thing-name spare", error: "ResourceNotFoundException"},
	}},

	{"members of thing groups", []command{
		{
			run:  "iot create-thing-group --thing-group-name g --thing-group-properties thingGroupDescription=x,attributePayload={attributes={k=v},merge=true}",
			want: group("g"), save: "group", of: "thingGroupId",
		},
		{run: "iot create-thing-group --thing-group-name h", want: group("h")},
		{run: "iot add-thing-to-thing-group --thing-group-name g --thing-name p-1 --override-dynamic-groups"},
		{run: "iot add-thing-to-thing-group --thing-group-name g --thing-name p-2 --no-override-dynamic-groups"},
		{run: "iot add-thing-to-thing-group --thing-group-name h --thing-name p-1"},
		{run: "iot list-thing-groups --recursive --query thingGroups[].groupName", want: `["g","h"]`},
		{run: "iot list-things-in-thing-group --thing-group-name g --recursive", want: `{"things":["p-1","p-2"]}`},
		{run: "iot list-thing-groups-for-thing --thing-name p-1 --page-size 1 --query thingGroups[].groupName", want: `["g","h"]`},
		{run: "iot remove-thing-from-thing-group --thing-group-arn " + arn + "thinggroup/h --thing-arn " + arn + "thing/p-1"},
		{run: "iot list-thing-groups-for-thing --thing-name p-1 --query thingGroups[].groupName", want: `["g"]`},
		{run: "iot delete-thing-group --thing-group-name h --expected-version 2", error: "VersionConflictException"},
		{run: "iot delete-thing-group --thing-group-name h --expected-version 1"},
		{run: "iot describe-thing-group --thing-group-name h", error: "ResourceNotFoundException"},
	}},

	{"members of jobs", []command{
		{
			run: "iot create-job --job-id j-1 --targets " + arn + "thinggroup/g --document {} --job-executions-rollout-config" +
				" exponentialRate={baseRatePerMinute=50,incrementFactor=2,rateIncreaseCriteria={numberOfNotifiedThings=10}}",
			want: `{"jobArn":"` + arn + `job/j-1","jobId":"j-1"}`,
		},
		{run: "iot describe-job --job-id j-1 --before-substitution --query job.jobExecutionsRolloutConfig.exponentialRate.rateIncreaseCriteria", want: `{"numberOfNotifiedThings":10}`},
		{run: "iot get-job-document --job-id j-1 --before-substitution", want: `{"document":"{}"}`},
		{
			run:  "iot create-job --job-id j-2 --targets " + arn + "thing/p-1 --document {} --namespace-id ns --target-selection CONTINUOUS",
			want: `{"jobArn":"` + arn + `job/j-2","jobId":"j-2"}`,
		},
		{run: "iot list-jobs --page-size 1 --query sort(jobs[].jobId)", want: `["j-1","j-2"]`},
		{run: "iot list-jobs --thing-group-id {group} --query jobs[].jobId", want: `["j-1"]`},
		{run: "iot list-job-executions-for-thing --thing-name p-1 --page-size 1 --query sort(executionSummaries[].jobId)", want: `["j-1","j-2"]`, later: true},
		{run: "iot describe-job-execution --job-id j-1 --thing-name p-1 --execution-number 1 --query execution.status", want: `"QUEUED"`},
		{run: "iot update-job --job-id j-2 --namespace-id other --description x", error: "ResourceNotFoundException"},
		{
			run: "iot update-job --job-id j-2 --namespace-id ns --job-executions-rollout-config" +
				" exponentialRate={baseRatePerMinute=5,incrementFactor=1.5,rateIncreaseCriteria={numberOfNotifiedThings=10,numberOfSucceededThings=20}}" +
				" --abort-config criteriaList=[{failureType=ALL,action=CANCEL,thresholdPercentage=50,minNumberOfExecutedThings=9}]",
		},
		{
			run: "iot describe-job --job-id j-2 --query job.[jobExecutionsRolloutConfig,abortConfig]",
			want: `[{"exponentialRate":{"baseRatePerMinute":5,"incrementFactor":1.5,"rateIncreaseCriteria":{"numberOfNotifiedThings":10,"numberOfSucceededThings":20}}},
				{"criteriaList":[{"failureType":"ALL","action":"CANCEL","thresholdPercentage":50.0,"minNumberOfExecutedThings":9}]}]`,
		},
		{run: "iot associate-targets-with-job --job-id j-2 --namespace-id other --targets " + arn + "thing/p-2", error: "ResourceNotFoundException"},
		{
			run:  "iot associate-targets-with-job --job-id j-2 --namespace-id ns --targets " + arn + "thing/p-2",
			want: `{"jobArn":"` + arn + `job/j-2","jobId":"j-2"}`,
		},
		{run: "iot describe-job-execution --job-id j-2 --thing-name p-2 --query execution.status", want: `"QUEUED"`, later: true},
		{run: "iot-jobs-data update-job-execution --thing-name p-1 --job-id j-2 --status IN_PROGRESS"},
		{run: "iot delete-job-execution --job-id j-2 --thing-name p-1 --execution-number 1 --force --namespace-id other", error: "ResourceNotFoundException"},
		{run: "iot delete-job-execution --job-id j-2 --thing-name p-1 --execution-number 1 --force --namespace-id ns"},
		{run: "iot describe-job-execution --job-id j-2 --thing-name p-1", error: "ResourceNotFoundException"},
		{run: "iot-jobs-data start-next-pending-job-execution --thing-name p-1 --query execution.jobId", want: `"j-1"`},
		{run: "iot cancel-job --job-id j-1 --force", want: `{"jobArn":"` + arn + `job/j-1","jobId":"j-1"}`},
		{run: "iot describe-job --job-id j-1 --query job.[status,forceCanceled,jobProcessDetails.numberOfCanceledThings]", want: `["CANCELED",true,2]`, later: true},
	}},
}
