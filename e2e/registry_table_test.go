package e2e

import (
	"fmt"
	"strings"
)

// registryChapters are what an operator does with hierarchies, thing types, tags
// and events, in order. They are apart from the other chapters because nothing of
// them needs a device, but the clock, which a line moves, and more tags than AWS allows.
var registryChapters = []chapter{
	{"thing types", []command{
		{
			run: "iot create-thing-type --thing-type-name pump --tags Key=team,Value=water " +
				"--thing-type-properties thingTypeDescription=moves-water,searchableAttributes=site,flow",
			want: `{"thingTypeName":"pump","thingTypeArn":"` + arn + `thingtype/pump","thingTypeId":"$uuid"}`,
		},
		{
			run: "iot describe-thing-type --thing-type-name pump",
			want: `{"thingTypeName":"pump","thingTypeId":"$uuid","thingTypeArn":"` + arn + `thingtype/pump",
				"thingTypeProperties":{"thingTypeDescription":"moves-water","searchableAttributes":["site","flow"]},
				"thingTypeMetadata":{"deprecated":false,"creationDate":"$time"}}`,
		},
		{run: "iot update-thing-type --thing-type-name pump --thing-type-properties thingTypeDescription=moves-water,searchableAttributes=site"},
		{
			run: "iot list-thing-types --thing-type-name pump",
			want: `{"thingTypes":[{"thingTypeName":"pump","thingTypeArn":"` + arn + `thingtype/pump",
				"thingTypeProperties":{"thingTypeDescription":"moves-water","searchableAttributes":["site"]},
				"thingTypeMetadata":{"deprecated":false,"creationDate":"$time"}}]}`,
		},
		{run: "iot create-thing-type --thing-type-name valve", want: `{"thingTypeName":"valve","thingTypeArn":"` + arn + `thingtype/valve","thingTypeId":"$uuid"}`},
		{run: "iot list-thing-types --page-size 1 --query thingTypes[].thingTypeName", want: `["pump","valve"]`},
		{run: "iot create-thing --thing-name pump-1 --thing-type-name pump --attribute-payload attributes={a=1,b=2,c=3,d=4}", want: thing("pump-1")},
		{run: "iot list-things --thing-type-name pump --page-size 1 --query things[].[thingName,thingTypeName]", want: `[["pump-1","pump"]]`},
		{run: "iot create-thing --thing-name pump-2", want: thing("pump-2")},
		{run: "iot update-thing --thing-name pump-2 --thing-type-name pump"},
		{run: "iot update-thing --thing-name pump-2 --remove-thing-type"},
		{run: "iot deprecate-thing-type --thing-type-name pump"},
		{run: "iot delete-thing-type --thing-type-name pump", error: "InvalidRequestException"},
		{run: "iot describe-thing-type --thing-type-name pump --query thingTypeMetadata.[deprecated,type(deprecationDate)]", want: `[true,"number"]`},
		{run: "iot deprecate-thing-type --thing-type-name pump --undo-deprecate"},
		{run: "iot deprecate-thing-type --thing-type-name valve"},
		{run: "clock 299s"},
		{run: "iot delete-thing-type --thing-type-name valve", error: "InvalidRequestException"},
		{run: "clock 1s"},
		{run: "iot delete-thing-type --thing-type-name valve"},
		{run: "iot describe-thing-type --thing-type-name valve", error: "ResourceNotFoundException"},
	}},

	{"hierarchies of thing groups", []command{
		{run: "iot create-thing-group --thing-group-name plant", want: group("plant")},
		{run: "iot create-thing-group --thing-group-name line-a --parent-group-name plant --tags Key=k,Value=v", want: group("line-a")},
		{run: "iot create-thing-group --thing-group-name line-b --parent-group-name plant", want: group("line-b")},
		{run: "iot create-thing-group --thing-group-name bay --parent-group-name line-a", want: group("bay")},
		{
			run:  "iot describe-thing-group --thing-group-name bay --query thingGroupMetadata.[parentGroupName,rootToParentThingGroups]",
			want: `["line-a",[{"groupName":"plant","groupArn":"` + arn + `thinggroup/plant"},{"groupName":"line-a","groupArn":"` + arn + `thinggroup/line-a"}]]`,
		},
		{run: "iot list-thing-groups --parent-group plant --query thingGroups[].groupName", want: `["line-a","line-b"]`},
		{run: "iot list-thing-groups --no-recursive --query thingGroups[].groupName", want: `["plant"]`},
		{run: "iot list-thing-groups --parent-group plant --recursive --page-size 1 --query thingGroups[].groupName", want: `["line-a","bay","line-b"]`},
		{run: "iot update-thing-group --thing-group-name bay --thing-group-properties thingGroupDescription=third,attributePayload={attributes={k=v},merge=true} --expected-version 1", want: `{"version":2}`},
		{run: "iot update-thing-groups-for-thing --thing-name pump-1 --thing-groups-to-add bay --override-dynamic-groups"},
		{run: "iot update-thing-groups-for-thing --thing-name pump-1 --thing-groups-to-add line-b --thing-groups-to-remove bay"},
		{run: "iot list-things-in-thing-group --thing-group-name plant --recursive", want: `{"things":["pump-1"]}`},
		{run: "iot create-job --job-id tree --document '{}' --targets " + arn + "thinggroup/plant --tags Key=team,Value=water", want: `{"jobArn":"` + arn + `job/tree","jobId":"tree"}`},
		{run: "iot list-job-executions-for-job --job-id tree --query executionSummaries[].thingArn", want: `["` + arn + `thing/pump-1"]`, later: true},
	}},

	{"tags", []command{
		{run: "iot list-tags-for-resource --resource-arn " + arn + "thingtype/pump", want: `{"tags":[{"Key":"team","Value":"water"}]}`},
		{run: "iot tag-resource --resource-arn " + arn + "job/tree --tags Key=team,Value=air Key=a:b,Value="},
		{run: "iot list-tags-for-resource --resource-arn " + arn + "job/tree", want: `{"tags":[{"Key":"a:b","Value":""},{"Key":"team","Value":"air"}]}`},
		{run: "iot untag-resource --resource-arn " + arn + "job/tree --tag-keys team nothing"},
		{run: "iot tag-resource --resource-arn " + arn + "thinggroup/bay --tags" + tags(101)},
		{
			run:  "iot list-tags-for-resource --no-paginate --resource-arn " + arn + "thinggroup/bay --query {n:length(tags),nextToken:nextToken}",
			want: `{"n":100,"nextToken":"$string"}`, save: "next", of: "nextToken",
		},
		{run: "iot list-tags-for-resource --no-paginate --resource-arn " + arn + "thinggroup/bay --next-token {next}", want: `{"tags":[{"Key":"k100","Value":"v"}]}`},
		{run: "iot list-tags-for-resource --resource-arn " + arn + "thinggroup/bay --query length(tags)", want: `101`},
	}},

	{"event configurations", []command{
		{run: "iot update-event-configurations --event-configurations JOB={Enabled=true},THING={Enabled=false}"},
		{
			run: "iot describe-event-configurations",
			want: `{"eventConfigurations":{"THING":{"Enabled":false},"THING_GROUP":{"Enabled":false},"THING_TYPE":{"Enabled":false},
				"THING_GROUP_MEMBERSHIP":{"Enabled":false},"THING_GROUP_HIERARCHY":{"Enabled":false},"THING_TYPE_ASSOCIATION":{"Enabled":false},
				"JOB":{"Enabled":true},"JOB_EXECUTION":{"Enabled":false},"POLICY":{"Enabled":false},"CERTIFICATE":{"Enabled":false},
				"CA_CERTIFICATE":{"Enabled":false}},"creationDate":"$time","lastModifiedDate":"$time"}`,
		},
	}},
}

// tags are the words of so many tags.
func tags(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, " Key=k%03d,Value=v", i)
	}
	return all.String()
}
