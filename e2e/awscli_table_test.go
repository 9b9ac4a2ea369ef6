package e2e

// chapters are what an operator and a device do with the AWS CLI, in order: a
// chapter finds what those before it left.
var chapters = []chapter{
	{"DescribeEndpoint gives a bare host for each type", []command{
		{run: "iot describe-endpoint", want: `{"endpointAddress":"$host"}`},
		{run: "iot describe-endpoint --endpoint-type iot:Data-ATS", want: `{"endpointAddress":"$host"}`},
		{run: "iot describe-endpoint --endpoint-type iot:Data", want: `{"endpointAddress":"$host"}`},
		{run: "iot describe-endpoint --endpoint-type iot:Jobs", want: `{"endpointAddress":"$host"}`},
		{run: "iot describe-endpoint --endpoint-type iot:CredentialProvider", want: `{"endpointAddress":"$host"}`},
		{run: "iot describe-endpoint --endpoint-type iot:DeviceAdvisor", error: "NotImplementedException"},
		{run: "iot describe-endpoint --endpoint-type iot:Nonsense", error: "InvalidRequestException"},
	}},

	{"things", []command{
		{run: "iot create-thing --thing-name pump-1 --attribute-payload attributes={site=oslo}", want: thing("pump-1")},
		{run: "iot create-thing --thing-name pump-1 --attribute-payload attributes={site=oslo}", want: thing("pump-1")},
		{run: "iot create-thing --thing-name pump-1 --attribute-payload attributes={site=rome}", error: "ResourceAlreadyExistsException"},
		{run: "iot create-thing --thing-name pump:2", want: thing("pump:2")},
		{run: "iot create-thing --thing-name 'no spaces'", error: "InvalidRequestException"},
		{
			run: "iot describe-thing --thing-name pump-1",
			want: `{"defaultClientId":"pump-1","thingName":"pump-1","thingId":"$uuid","thingArn":"` + arn + `thing/pump-1",
				"attributes":{"site":"oslo"},"version":1}`,
		},
		{run: "iot update-thing --thing-name pump-1 --attribute-payload attributes={line=a},merge=true"},
		{run: "iot update-thing --thing-name pump-1 --attribute-payload attributes={line=a} --expected-version 1", error: "VersionConflictException"},
		{
			run: "iot describe-thing --thing-name pump-1",
			want: `{"defaultClientId":"pump-1","thingName":"pump-1","thingId":"$uuid","thingArn":"` + arn + `thing/pump-1",
				"attributes":{"site":"oslo","line":"a"},"version":2}`,
		},
		{run: "iot describe-thing --thing-name nobody", error: "ResourceNotFoundException"},
		{run: "iot update-thing --thing-name nobody --attribute-payload attributes={a=b}", error: "ResourceNotFoundException"},
		{
			run: "iot list-things --attribute-name site --attribute-value oslo",
			want: `{"things":[{"thingName":"pump-1","thingArn":"` + arn + `thing/pump-1",
				"attributes":{"site":"oslo","line":"a"},"version":2}]}`,
		},
		{run: "iot create-thing --thing-name spare", want: thing("spare")},
		// The CLI walks the pages and joins them.
		{run: "iot list-things --page-size 1 --query things[].thingName", want: `["pump-1","pump:2","spare"]`},
		{run: "iot list-things --page-size 1 --max-items 2 --query [length(things),type(NextToken)]", want: `[2,"string"]`},
		{run: "iot list-things --no-paginate --next-token nonsense", error: "InvalidRequestException"},
		{run: "iot delete-thing --thing-name spare --expected-version 7", error: "VersionConflictException"},
		{run: "iot delete-thing --thing-name spare"},
		{run: "iot delete-thing --thing-name spare"}, // gone is gone (registry-and-auth.md D.3)
		{run: "iot list-things --query things[].thingName", want: `["pump-1","pump:2"]`},
	}},

	{"thing groups", []command{
		{
			run:  "iot create-thing-group --thing-group-name pumps --thing-group-properties thingGroupDescription=all,attributePayload={attributes={k=v}}",
			want: group("pumps"),
		},
		{run: "iot create-thing-group --thing-group-name oslo", want: group("oslo")},
		{run: "iot create-thing-group --thing-group-name pumps", error: "ResourceAlreadyExistsException"},
		{
			run: "iot describe-thing-group --thing-group-name oslo",
			want: `{"thingGroupName":"oslo","thingGroupId":"$uuid","thingGroupArn":"` + arn + `thinggroup/oslo","version":1,
				"thingGroupProperties?":{},"thingGroupMetadata":{"creationDate":"$time","rootToParentThingGroups?":[]}}`,
		},
		{
			run: "iot describe-thing-group --thing-group-name pumps",
			want: `{"thingGroupName":"pumps","thingGroupId":"$uuid","thingGroupArn":"` + arn + `thinggroup/pumps","version":1,
				"thingGroupProperties":{"thingGroupDescription":"all","attributePayload":{"attributes":{"k":"v"}}},
				"thingGroupMetadata":{"creationDate":"$time","rootToParentThingGroups?":[]}}`,
		},
		{run: "iot describe-thing-group --thing-group-name nobody", error: "ResourceNotFoundException"},
		{
			run:  "iot list-thing-groups --name-prefix-filter os",
			want: `{"thingGroups":[{"groupName":"oslo","groupArn":"` + arn + `thinggroup/oslo"}]}`,
		},
		{run: "iot list-thing-groups --page-size 1 --query sort(thingGroups[].groupName)", want: `["oslo","pumps"]`},
		{run: "iot add-thing-to-thing-group --thing-group-name oslo --thing-name pump-1"},
		{run: "iot add-thing-to-thing-group --thing-group-name oslo --thing-name pump-1"},
		{run: "iot add-thing-to-thing-group --thing-group-arn " + arn + "thinggroup/oslo --thing-arn " + arn + "thing/pump:2"},
		{run: "iot add-thing-to-thing-group --thing-group-name nobody --thing-name pump-1", error: "ResourceNotFoundException"},
		{run: "iot add-thing-to-thing-group --thing-group-name oslo --thing-name nobody", error: "ResourceNotFoundException"},
		{run: "iot list-things-in-thing-group --thing-group-name oslo", want: `{"things":["pump-1","pump:2"]}`},
		{run: "iot list-things-in-thing-group --thing-group-name oslo --page-size 1", want: `{"things":["pump-1","pump:2"]}`},
		{run: "iot list-things-in-thing-group --thing-group-name pumps", want: `{"things":[]}`},
		{run: "iot list-things-in-thing-group --thing-group-name nobody", error: "ResourceNotFoundException"},
		{
			run:  "iot list-thing-groups-for-thing --thing-name pump-1",
			want: `{"thingGroups":[{"groupName":"oslo","groupArn":"` + arn + `thinggroup/oslo"}]}`,
		},
		{run: "iot create-thing-group --thing-group-name brief", want: group("brief")},
		{run: "iot add-thing-to-thing-group --thing-group-name brief --thing-name pump-1"},
		{run: "iot remove-thing-from-thing-group --thing-group-name brief --thing-name pump-1"},
		{run: "iot remove-thing-from-thing-group --thing-group-name brief --thing-name pump-1"},
		{run: "iot list-things-in-thing-group --thing-group-name brief", want: `{"things":[]}`},
		{run: "iot delete-thing-group --thing-group-name brief"},
		{run: "iot delete-thing-group --thing-group-name brief"},
	}},

	{"a job on a group", []command{
		{
			run: "iot create-job --job-id fw-1 --targets " + arn + "thinggroup/oslo --document '{\"op\": \"flash\"}'" +
				" --description 'the first' --timeout-config inProgressTimeoutInMinutes=30",
			want: `{"jobArn":"` + arn + `job/fw-1","jobId":"fw-1","description":"the first"}`,
		},
		{run: "iot create-job --job-id fw-1 --targets " + arn + "thing/pump-1 --document {}", error: "ResourceAlreadyExistsException"},
		{run: "iot create-job --job-id fw-x --targets " + arn + "thing/nobody --document {}", error: "ResourceNotFoundException"},
		{run: "iot create-job --job-id fw-x --targets nonsense --document {}", error: "InvalidRequestException"},
		{run: "iot create-job --job-id fw-x --targets " + arn + "thing/pump-1 --document '{'", error: "InvalidRequestException"},
		{run: "iot create-job --job-id fw-x --targets " + arn + "thing/pump-1", error: "InvalidRequestException"},
		{run: "iot create-job --job-id 'fw x' --targets " + arn + "thing/pump-1 --document {}", error: "InvalidRequestException"},
		{run: "iot describe-job --job-id fw-x", error: "ResourceNotFoundException"},
		{
			run: "iot describe-job --job-id fw-1", later: true,
			want: `{"job":{"jobArn":"` + arn + `job/fw-1","jobId":"fw-1","targetSelection":"SNAPSHOT","status":"IN_PROGRESS",
				"forceCanceled?":false,"targets":["` + arn + `thinggroup/oslo"],"description":"the first",
				"createdAt":"$time","lastUpdatedAt":"$time","isConcurrent":false,"jobExecutionsRolloutConfig?":{},
				"timeoutConfig":{"inProgressTimeoutInMinutes":30},"jobProcessDetails":{
				"numberOfCanceledThings":0,"numberOfSucceededThings":0,"numberOfFailedThings":0,"numberOfRejectedThings":0,
				"numberOfQueuedThings":2,"numberOfInProgressThings":0,"numberOfRemovedThings":0,"numberOfTimedOutThings":0}}}`,
		},
		{run: "iot get-job-document --job-id fw-1", want: `{"document":"{\"op\": \"flash\"}"}`},
		{run: "iot get-job-document --job-id fw-x", error: "ResourceNotFoundException"},
		{
			run: "iot list-jobs",
			want: `{"jobs":[{"jobArn":"` + arn + `job/fw-1","jobId":"fw-1","targetSelection":"SNAPSHOT","status":"IN_PROGRESS",
				"createdAt":"$time","lastUpdatedAt":"$time","isConcurrent":false}]}`,
		},
		{run: "iot list-jobs --status COMPLETED", want: `{"jobs":[]}`},
		{run: "iot list-jobs --status IN_PROGRESS --target-selection SNAPSHOT --query jobs[].jobId", want: `["fw-1"]`},
		{run: "iot list-jobs --thing-group-name oslo --query jobs[].jobId", want: `["fw-1"]`},
		{run: "iot list-jobs --thing-group-name pumps --query jobs[].jobId", want: `[]`},
		{run: "iot list-jobs --thing-group-name nobody", error: "ResourceNotFoundException"},
		{run: "iot list-jobs --status NONSENSE", error: "InvalidRequestException"},
		{
			run: "iot list-job-executions-for-job --job-id fw-1 --page-size 1",
			want: `{"executionSummaries":[
				{"thingArn":"` + arn + `thing/pump-1","jobExecutionSummary":` + queued + `},
				{"thingArn":"` + arn + `thing/pump:2","jobExecutionSummary":` + queued + `}]}`,
		},
		{run: "iot list-job-executions-for-job --job-id fw-1 --status SUCCEEDED", want: `{"executionSummaries":[]}`},
		{run: "iot list-job-executions-for-job --job-id fw-x", error: "ResourceNotFoundException"},
		{
			run:  "iot list-job-executions-for-thing --thing-name pump-1",
			want: `{"executionSummaries":[{"jobId":"fw-1","jobExecutionSummary":` + queued + `}]}`,
		},
		{run: "iot list-job-executions-for-thing --thing-name pump-1 --status QUEUED --job-id fw-1 --query executionSummaries[].jobId", want: `["fw-1"]`},
		{run: "iot list-job-executions-for-thing --thing-name nobody", error: "ResourceNotFoundException"},
		{
			run: "iot describe-job-execution --job-id fw-1 --thing-name pump-1",
			want: `{"execution":{"jobId":"fw-1","status":"QUEUED","forceCanceled?":false,"statusDetails?":{"detailsMap?":{}},
				"thingArn":"` + arn + `thing/pump-1","queuedAt":"$time","lastUpdatedAt":"$time","executionNumber":1,"versionNumber":1}}`,
		},
		{run: "iot describe-job-execution --job-id fw-1 --thing-name pump-1 --execution-number 2", error: "ResourceNotFoundException"},
		{run: "iot describe-job-execution --job-id fw-1 --thing-name nobody", error: "ResourceNotFoundException"},
	}},

	{"the device's side of it", []command{
		{
			run:  "iot-jobs-data get-pending-job-executions --thing-name pump:2",
			want: `{"inProgressJobs":[],"queuedJobs":[{"jobId":"fw-1","queuedAt":"$seconds","lastUpdatedAt":"$seconds","executionNumber":1,"versionNumber":1}]}`,
		},
		{run: "iot-jobs-data get-pending-job-executions --thing-name nobody", error: "ResourceNotFoundException"},
		{
			run: "iot-jobs-data describe-job-execution --thing-name pump:2 --job-id $next",
			want: `{"execution":{"jobId":"fw-1","thingName":"pump:2","status":"QUEUED","queuedAt":"$seconds","lastUpdatedAt":"$seconds",
				"versionNumber":1,"executionNumber":1,"jobDocument":"{\"op\": \"flash\"}"}}`,
		},
		{
			run: "iot-jobs-data describe-job-execution --thing-name pump:2 --job-id fw-1 --no-include-job-document --execution-number 1",
			want: `{"execution":{"jobId":"fw-1","thingName":"pump:2","status":"QUEUED","queuedAt":"$seconds","lastUpdatedAt":"$seconds",
				"versionNumber":1,"executionNumber":1}}`,
		},
		{run: "iot-jobs-data describe-job-execution --thing-name pump:2 --job-id fw-1 --execution-number 7", error: "ResourceNotFoundException"},
		{
			run: "iot-jobs-data start-next-pending-job-execution --thing-name pump:2 --status-details step=begin --step-timeout-in-minutes 5",
			want: `{"execution":{"jobId":"fw-1","thingName":"pump:2","status":"IN_PROGRESS","statusDetails":{"step":"begin"},
				"queuedAt":"$seconds","startedAt":"$seconds","lastUpdatedAt":"$seconds","approximateSecondsBeforeTimedOut":"$int",
				"versionNumber":2,"executionNumber":1,"jobDocument":"{\"op\": \"flash\"}"}}`,
		},
		{
			run: "iot-jobs-data get-pending-job-executions --thing-name pump:2",
			want: `{"queuedJobs":[],"inProgressJobs":[{"jobId":"fw-1","queuedAt":"$seconds","lastUpdatedAt":"$seconds","startedAt":"$seconds",
				"executionNumber":1,"versionNumber":2}]}`,
		},
		{
			run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-1 --status IN_PROGRESS --status-details pct=40" +
				" --expected-version 2 --include-job-execution-state --include-job-document --step-timeout-in-minutes -1",
			want: `{"executionState":{"status":"IN_PROGRESS","statusDetails":{"pct":"40"},"versionNumber":3},"jobDocument":"{\"op\": \"flash\"}"}`,
		},
		{run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-1 --status SUCCEEDED --expected-version 2", error: "InvalidStateTransitionException"},
		{run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-1 --status NONSENSE", error: "InvalidRequestException"},
		{run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-1 --status CANCELED", error: "InvalidRequestException"},
		{run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-x --status FAILED", error: "ResourceNotFoundException"},
		{run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-1 --status SUCCEEDED --execution-number 1"},
		{run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-1 --status SUCCEEDED", error: "InvalidStateTransitionException"},
		{run: "iot-jobs-data describe-job-execution --thing-name pump:2 --job-id fw-1", error: "TerminalStateException"},
		{run: "iot-jobs-data start-next-pending-job-execution --thing-name pump:2"},
		{run: "iot-jobs-data describe-job-execution --thing-name pump:2 --job-id $next"},
		{
			run: "iot describe-job-execution --job-id fw-1 --thing-name pump:2",
			want: `{"execution":{"jobId":"fw-1","status":"SUCCEEDED","forceCanceled?":false,"statusDetails":{"detailsMap":{"pct":"40"}},
				"thingArn":"` + arn + `thing/pump:2","queuedAt":"$time","startedAt":"$time","lastUpdatedAt":"$time",
				"executionNumber":1,"versionNumber":4}}`,
		},
		{
			run: "iot describe-job --job-id fw-1 --query job.[status,jobProcessDetails.numberOfSucceededThings,jobProcessDetails.numberOfQueuedThings]", later: true,
			want: `["IN_PROGRESS",1,1]`,
		},
	}},

	{"cancelling and deleting an execution", []command{
		{run: "iot-jobs-data start-next-pending-job-execution --thing-name pump-1 --query execution.versionNumber", want: `2`},
		{run: "iot cancel-job-execution --job-id fw-1 --thing-name pump-1", error: "InvalidStateTransitionException"},
		{run: "iot cancel-job-execution --job-id fw-1 --thing-name pump-1 --force --expected-version 1", error: "VersionConflictException"},
		{run: "iot delete-job-execution --job-id fw-1 --thing-name pump-1 --execution-number 1", error: "InvalidStateTransitionException"},
		{run: "iot cancel-job-execution --job-id fw-1 --thing-name pump-1 --force --expected-version 2 --status-details why=test"},
		{
			run:  "iot describe-job-execution --job-id fw-1 --thing-name pump-1 --query execution.[status,forceCanceled,versionNumber,statusDetails.detailsMap.why]",
			want: `["CANCELED",true,3,"test"]`,
		},
		{run: "iot cancel-job-execution --job-id fw-1 --thing-name pump-1 --force", error: "InvalidStateTransitionException"},
		{run: "iot cancel-job-execution --job-id fw-1 --thing-name nobody", error: "ResourceNotFoundException"},
		// All executions are terminal now, so the job is complete.
		{
			run: "iot describe-job --job-id fw-1 --query job.[status,type(completedAt),jobProcessDetails.numberOfSucceededThings,jobProcessDetails.numberOfCanceledThings]", later: true,
			want: `["COMPLETED","number",1,1]`,
		},
		{run: "iot delete-job-execution --job-id fw-1 --thing-name pump-1 --execution-number 7", error: "ResourceNotFoundException"},
		{run: "iot delete-job-execution --job-id fw-1 --thing-name pump-1 --execution-number 1"},
		{run: "iot describe-job-execution --job-id fw-1 --thing-name pump-1", error: "ResourceNotFoundException"},
	}},

	{"a continuous job that rolls out, aborts and tries again", []command{
		{
			run: "iot create-job --job-id fw-3 --targets " + arn + "thinggroup/pumps --document {} --target-selection CONTINUOUS" +
				" --job-executions-rollout-config '{\"maximumPerMinute\":100,\"exponentialRate\":{\"baseRatePerMinute\":50,\"incrementFactor\":1.5," +
				"\"rateIncreaseCriteria\":{\"numberOfSucceededThings\":10}}}'" +
				" --abort-config '{\"criteriaList\":[{\"failureType\":\"FAILED\",\"action\":\"CANCEL\",\"thresholdPercentage\":20.5,\"minNumberOfExecutedThings\":2}]}'" +
				" --job-executions-retry-config criteriaList=[{failureType=FAILED,numberOfRetries=1}]",
			want: `{"jobArn":"` + arn + `job/fw-3","jobId":"fw-3"}`,
		},
		{
			run:   "iot create-job --job-id fw-x --targets " + arn + "thing/pump-1 --document {} --job-executions-rollout-config maximumPerMinute=1001",
			error: "InvalidRequestException",
		},
		{
			run: "iot create-job --job-id fw-x --targets " + arn + "thing/pump-1 --document {} --job-executions-retry-config" +
				" criteriaList=[{failureType=ALL,numberOfRetries=1},{failureType=FAILED,numberOfRetries=1}]",
			error: "InvalidRequestException",
		},
		{run: "iot add-thing-to-thing-group --thing-group-name pumps --thing-name pump-1"},
		{run: "iot list-job-executions-for-job --job-id fw-3 --query executionSummaries[].jobExecutionSummary.status", want: `["QUEUED"]`, later: true},
		{run: "iot-jobs-data update-job-execution --thing-name pump-1 --job-id fw-3 --status FAILED"},
		{
			run:  "iot list-job-executions-for-thing --thing-name pump-1 --job-id fw-3 --query executionSummaries[].jobExecutionSummary.[status,executionNumber,retryAttempt]",
			want: `[["QUEUED",2,1],["FAILED",1,null]]`,
		},
		{run: "iot remove-thing-from-thing-group --thing-group-name pumps --thing-name pump-1"},
		{run: "iot describe-job-execution --thing-name pump-1 --job-id fw-3 --query execution.status", want: `"REMOVED"`, later: true},
		{
			run:  "iot associate-targets-with-job --job-id fw-3 --targets " + arn + "thing/pump:2 --comment 'one more'",
			want: `{"jobArn":"` + arn + `job/fw-3","jobId":"fw-3"}`,
		},
		{run: "iot associate-targets-with-job --job-id fw-1 --targets " + arn + "thing/pump:2", error: "InvalidRequestException"}, // SNAPSHOT
		{run: "iot-jobs-data describe-job-execution --thing-name pump:2 --job-id fw-3 --query execution.status", want: `"QUEUED"`, later: true},
		{
			run: "iot update-job --job-id fw-3 --description 'slower now' --job-executions-rollout-config maximumPerMinute=10 --timeout-config inProgressTimeoutInMinutes=5" +
				" --job-executions-retry-config criteriaList=[{failureType=FAILED,numberOfRetries=0}]",
		},
		{run: "iot update-job --job-id fw-3 --job-executions-retry-config criteriaList=[{failureType=FAILED,numberOfRetries=2}]", error: "InvalidRequestException"},
		{run: "iot update-job --job-id fw-1 --description late", error: "InvalidRequestException"}, // COMPLETED
		{run: "iot update-job --job-id fw-x --description nobody", error: "ResourceNotFoundException"},
		{
			run: "iot describe-job --job-id fw-3", later: true,
			want: `{"job":{"jobArn":"` + arn + `job/fw-3","jobId":"fw-3","targetSelection":"CONTINUOUS","status":"IN_PROGRESS","comment":"one more",
				"targets":["` + arn + `thinggroup/pumps","` + arn + `thing/pump:2"],"description":"slower now","jobExecutionsRolloutConfig":{"maximumPerMinute":10},
				"abortConfig":{"criteriaList":[{"failureType":"FAILED","action":"CANCEL","thresholdPercentage":20.5,"minNumberOfExecutedThings":2}]},
				"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"FAILED","numberOfRetries":0}]},"timeoutConfig":{"inProgressTimeoutInMinutes":5},
				"createdAt":"$time","lastUpdatedAt":"$time","isConcurrent":false,"jobProcessDetails":{
				"numberOfCanceledThings":0,"numberOfSucceededThings":0,"numberOfFailedThings":0,"numberOfRejectedThings":0,
				"numberOfQueuedThings":1,"numberOfInProgressThings":0,"numberOfRemovedThings":1,"numberOfTimedOutThings":0}}}`,
		},
		// One of two has failed: that is more than 20.5 percent.
		{run: "iot-jobs-data update-job-execution --thing-name pump:2 --job-id fw-3 --status SUCCEEDED"},
		{run: "iot describe-job --job-id fw-3 --query job.[status,reasonCode,forceCanceled]", want: `["CANCELED","ABORT_CRITERIA_MET",false]`, later: true},
		{run: "iot delete-job --job-id fw-3"},
		{run: "iot describe-job --job-id fw-3", error: "ResourceNotFoundException", later: true},
	}},

	{"cancelling and deleting a job", []command{
		{run: "iot cancel-job --job-id fw-1", error: "InvalidRequestException"}, // COMPLETED
		{
			run:  "iot create-job --job-id fw-2 --targets " + arn + "thing/pump-1 " + arn + "thing/pump:2 --document {}",
			want: `{"jobArn":"` + arn + `job/fw-2","jobId":"fw-2"}`,
		},
		{run: "iot describe-job --job-id fw-2 --query job.jobProcessDetails.numberOfQueuedThings", want: `2`, later: true},
		{run: "iot delete-job --job-id fw-2", error: "InvalidStateTransitionException"},
		{run: "iot-jobs-data start-next-pending-job-execution --thing-name pump-1 --query execution.jobId", want: `"fw-2"`},
		{
			run:  "iot cancel-job --job-id fw-2 --reason-code TEST_1 --comment 'no more'",
			want: `{"jobArn":"` + arn + `job/fw-2","jobId":"fw-2"}`,
		},
		{
			run: "iot describe-job --job-id fw-2 --query job.[status,reasonCode,comment,jobProcessDetails.numberOfCanceledThings,jobProcessDetails.numberOfInProgressThings]", later: true,
			want: `["CANCELED","TEST_1","no more",1,1]`,
		},
		{run: "iot-jobs-data get-pending-job-executions --thing-name pump:2", want: `{"inProgressJobs":[],"queuedJobs":[]}`},
		// Without force the device that has begun may finish.
		{run: "iot-jobs-data update-job-execution --thing-name pump-1 --job-id fw-2 --status SUCCEEDED"},
		{run: "iot delete-job --job-id fw-2"},
		{run: "iot describe-job --job-id fw-2", error: "ResourceNotFoundException", later: true},
		{run: "iot-jobs-data describe-job-execution --thing-name pump-1 --job-id fw-2", error: "ResourceNotFoundException"},
		{
			run:  "iot create-job --job-id fw-2 --targets " + arn + "thing/pump-1 --document {}", // the name is free again
			want: `{"jobArn":"` + arn + `job/fw-2","jobId":"fw-2"}`,
		},
		{run: "iot delete-job --job-id fw-2 --force"},
		{run: "iot describe-job --job-id fw-2", error: "ResourceNotFoundException", later: true},
		{run: "iot delete-job --job-id fw-x", error: "ResourceNotFoundException"},
		{run: "iot cancel-job --job-id fw-x", error: "ResourceNotFoundException"},
	}},

	{"a job of a namespace, beside the plain queue", []command{
		{run: "iot create-thing --thing-name core-1", want: thing("core-1")},
		{
			run:  "iot create-job --job-id dep-1 --targets " + arn + "thing/core-1 --document {} --namespace-id aws-gg-deployment",
			want: `{"jobArn":"` + arn + `job/dep-1","jobId":"dep-1"}`,
		},
		{run: "iot describe-job --job-id dep-1 --query job.namespaceId", want: `"aws-gg-deployment"`},
		{run: "iot list-jobs --namespace-id aws-gg-deployment --query jobs[].jobId", want: `["dep-1"]`},
		{run: "iot list-jobs --namespace-id other --query jobs[].jobId", want: `[]`},
		{
			run:  "iot list-job-executions-for-thing --thing-name core-1 --namespace-id aws-gg-deployment --query executionSummaries[].jobId",
			want: `["dep-1"]`, later: true,
		},
		{run: "iot-jobs-data get-pending-job-executions --thing-name core-1", want: `{"inProgressJobs":[],"queuedJobs":[]}`},
		{run: "iot-jobs-data describe-job-execution --thing-name core-1 --job-id dep-1 --query execution.status", want: `"QUEUED"`},
		{run: "iot create-job --job-id dep-2 --targets " + arn + "thing/core-1 --document {} --namespace-id a:b", error: "InvalidRequestException"},
		{run: "iot delete-job --job-id dep-1 --force --namespace-id other", error: "ResourceNotFoundException"},
		{run: "iot delete-job --job-id dep-1 --force --namespace-id aws-gg-deployment"},
	}},

	{"the shadow of a thing", []command{
		{run: "iot-data get-thing-shadow --thing-name core-1 /dev/stdout", error: "ResourceNotFoundException"},
		{
			run:  "iot-data update-thing-shadow --thing-name core-1 --payload '{\"state\":{\"desired\":{\"rate\":7}}}' /dev/stdout",
			want: `{"state":{"desired":{"rate":7}},"metadata":{"desired":{"rate":{"timestamp":"$seconds"}}},"version":1,"timestamp":"$seconds"}`,
		},
		{
			run:  "iot-data get-thing-shadow --thing-name core-1 /dev/stdout",
			want: `{"state":{"desired":{"rate":7},"delta":{"rate":7}},"metadata":{"desired":{"rate":{"timestamp":"$seconds"}}},"version":1,"timestamp":"$seconds"}`,
		},
		{run: "iot-data update-thing-shadow --thing-name core-1 --payload '{\"state\":{},\"version\":7}' /dev/stdout", error: "ConflictException"},
		{run: "iot-data delete-thing-shadow --thing-name core-1 /dev/stdout", want: `{"version":1,"timestamp":"$seconds"}`},
	}},
}

const queued = `{"status":"QUEUED","queuedAt":"$time","lastUpdatedAt":"$time","executionNumber":1}`

func thing(name string) string {
	return `{"thingName":"` + name + `","thingArn":"` + arn + `thing/` + name + `","thingId":"$uuid"}`
}

func group(name string) string {
	return `{"thingGroupName":"` + name + `","thingGroupArn":"` + arn + `thinggroup/` + name + `","thingGroupId":"$uuid"}`
}
