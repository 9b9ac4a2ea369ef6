package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	iottypes "github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/aws-sdk-go-v2/service/iotjobsdataplane"
	jobstypes "github.com/aws/aws-sdk-go-v2/service/iotjobsdataplane/types"
)

// refused checks that err is the modelled exception E with this status.
func refused[E error](t *testing.T, err error, status int) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("got %v, want %T", err, want)
		return
	}
	if response := new(awshttp.ResponseError); !errors.As(err, &response) || response.HTTPStatusCode() != status {
		t.Errorf("got %v, want status %d", err, status)
	} else if response.ServiceRequestID() == "" {
		t.Errorf("%T came without x-amzn-RequestId", want)
	}
}

func TestGoSDKAThingLivesAndDies(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		ctx, control, name := t.Context(), s.control(t), aws.String("pump:7")
		made, err := control.CreateThing(ctx, &iot.CreateThingInput{
			ThingName: name, AttributePayload: &iottypes.AttributePayload{Attributes: map[string]string{"site": "oslo"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := control.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: name})
		if err != nil || *got.ThingId != *made.ThingId || got.Version != 1 || got.Attributes["site"] != "oslo" {
			t.Fatalf("got %+v, %v", got, err)
		}
		_, err = control.CreateThing(ctx, &iot.CreateThingInput{ThingName: name})
		refused[*iottypes.ResourceAlreadyExistsException](t, err, http.StatusConflict)
		if exists := new(iottypes.ResourceAlreadyExistsException); errors.As(err, &exists) && aws.ToString(exists.ResourceArn) != arn+"thing/pump:7" {
			t.Errorf("the exception names %q", aws.ToString(exists.ResourceArn))
		}
		_, err = control.UpdateThing(ctx, &iot.UpdateThingInput{ThingName: name, ExpectedVersion: aws.Int64(9)})
		refused[*iottypes.VersionConflictException](t, err, http.StatusConflict)
		_, err = control.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: aws.String("nobody")})
		refused[*iottypes.ResourceNotFoundException](t, err, http.StatusNotFound)
		if _, err := control.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: name}); err != nil {
			t.Error(err)
		}
		_, err = control.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: name})
		refused[*iottypes.ResourceNotFoundException](t, err, http.StatusNotFound)
	})
}

func TestGoSDKPaginatorsSeeEveryExecutionOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		const things = 23
		ctx, control := t.Context(), s.control(t)
		if _, err := control.CreateThingGroup(ctx, &iot.CreateThingGroupInput{ThingGroupName: aws.String("line")}); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range things {
			name := fmt.Sprintf("go-%02d", i)
			want = append(want, arn+"thing/"+name)
			if _, err := control.CreateThing(ctx, &iot.CreateThingInput{ThingName: &name}); err != nil {
				t.Fatal(err)
			}
			if _, err := control.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{ThingName: &name, ThingGroupName: aws.String("line")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := control.CreateJob(ctx, &iot.CreateJobInput{
			JobId: aws.String("fw-1"), Targets: []string{arn + "thinggroup/line"}, Document: aws.String(`{"op":"flash"}`),
		}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			out, err := control.DescribeJob(ctx, &iot.DescribeJobInput{JobId: aws.String("fw-1")})
			if err == nil && aws.ToInt32(out.Job.JobProcessDetails.NumberOfQueuedThings) != things {
				err = fmt.Errorf("%d queued", aws.ToInt32(out.Job.JobProcessDetails.NumberOfQueuedThings))
			}
			return err
		})
		var got []string
		pages := 0
		walk := iot.NewListJobExecutionsForJobPaginator(control, &iot.ListJobExecutionsForJobInput{JobId: aws.String("fw-1"), MaxResults: aws.Int32(5)})
		for walk.HasMorePages() {
			page, err := walk.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if pages++; len(page.ExecutionSummaries) > 5 {
				t.Errorf("a page of %d, asked for 5", len(page.ExecutionSummaries))
			}
			for _, e := range page.ExecutionSummaries {
				got = append(got, *e.ThingArn)
				if age := time.Since(*e.JobExecutionSummary.QueuedAt); age > time.Hour || age < -time.Minute {
					t.Errorf("queuedAt is %v", e.JobExecutionSummary.QueuedAt)
				}
			}
		}
		if !slices.Equal(got, want) || pages < 5 {
			t.Errorf("%d pages gave %q, want %q", pages, got, want)
		}
	})
}

func TestGoSDKADeviceOverHTTPS(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		s.newThing(t, "pump-7")
		s.createJob(t, "fw-1", "pump-7")
		ctx, jobs, name, job := t.Context(), s.jobs(t), aws.String("pump-7"), aws.String("fw-1")
		eventually(t, func() error { return match(`["QUEUED"]`, s.statuses(t, "fw-1")) })

		started, err := jobs.StartNextPendingJobExecution(ctx, &iotjobsdataplane.StartNextPendingJobExecutionInput{
			ThingName: name, StepTimeoutInMinutes: aws.Int64(7),
		})
		if err != nil {
			t.Fatal(err)
		}
		e := started.Execution
		if e == nil || *e.JobId != "fw-1" || e.Status != jobstypes.JobExecutionStatusInProgress || e.VersionNumber != 2 ||
			*e.JobDocument != `{"op":"flash","job":"fw-1"}` || *e.ThingName != "pump-7" {
			t.Fatalf("start-next gave %+v", e)
		}
		if left := aws.ToInt64(e.ApproximateSecondsBeforeTimedOut); left > 420 || left < 0 {
			t.Errorf("%d seconds before the step times out, want at most 420", left)
		}
		// The SDK sends statusDetails: null for a nil map; it means omitted.
		updated, err := jobs.UpdateJobExecution(ctx, &iotjobsdataplane.UpdateJobExecutionInput{
			ThingName: name, JobId: job, Status: jobstypes.JobExecutionStatusInProgress,
			StatusDetails: map[string]string{"pct": "50"}, ExpectedVersion: aws.Int64(2), IncludeJobExecutionState: aws.Bool(true),
		})
		if err != nil || updated.ExecutionState.VersionNumber != 3 || updated.ExecutionState.StatusDetails["pct"] != "50" {
			t.Fatalf("got %+v, %v", updated, err)
		}
		described, err := jobs.DescribeJobExecution(ctx, &iotjobsdataplane.DescribeJobExecutionInput{
			ThingName: name, JobId: aws.String("$next"), IncludeJobDocument: aws.Bool(false),
		})
		if err != nil || *described.Execution.JobId != "fw-1" || described.Execution.JobDocument != nil {
			t.Fatalf("got %+v, %v", described, err)
		}
		_, err = jobs.UpdateJobExecution(ctx, &iotjobsdataplane.UpdateJobExecutionInput{
			ThingName: name, JobId: job, Status: jobstypes.JobExecutionStatusSucceeded, ExpectedVersion: aws.Int64(0),
		})
		refused[*jobstypes.InvalidStateTransitionException](t, err, http.StatusConflict)
		if _, err = jobs.UpdateJobExecution(ctx, &iotjobsdataplane.UpdateJobExecutionInput{
			ThingName: name, JobId: job, Status: jobstypes.JobExecutionStatusSucceeded,
		}); err != nil {
			t.Fatal(err)
		}
		_, err = jobs.DescribeJobExecution(ctx, &iotjobsdataplane.DescribeJobExecutionInput{ThingName: name, JobId: job})
		refused[*jobstypes.TerminalStateException](t, err, http.StatusGone)
		_, err = jobs.GetPendingJobExecutions(ctx, &iotjobsdataplane.GetPendingJobExecutionsInput{ThingName: aws.String("nobody")})
		refused[*jobstypes.ResourceNotFoundException](t, err, http.StatusNotFound)
		pending, err := jobs.GetPendingJobExecutions(ctx, &iotjobsdataplane.GetPendingJobExecutionsInput{ThingName: name})
		if err != nil || len(pending.InProgressJobs)+len(pending.QueuedJobs) != 0 {
			t.Errorf("got %+v, %v, want an empty list", pending, err)
		}
	})
}

func TestGoSDKACertificateIsAttachedByItsARN(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		ctx, control, name := t.Context(), s.control(t), aws.String("pump-7")
		if _, err := control.CreateThing(ctx, &iot.CreateThingInput{ThingName: name}); err != nil {
			t.Fatal(err)
		}
		cert, err := control.CreateKeysAndCertificate(ctx, &iot.CreateKeysAndCertificateInput{SetAsActive: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // twice is once
			if _, err := control.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{ThingName: name, Principal: cert.CertificateArn}); err != nil {
				t.Fatal(err)
			}
		}
		out, err := control.ListThingPrincipals(ctx, &iot.ListThingPrincipalsInput{ThingName: name})
		if err != nil || !slices.Equal(out.Principals, []string{*cert.CertificateArn}) {
			t.Errorf("got %+v, %v", out, err)
		}
		_, err = control.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: name})
		refused[*iottypes.InvalidRequestException](t, err, http.StatusBadRequest)
	})
}

// TestGoSDKSignaturesAreVerified: on serve the signature is worth something.
func TestGoSDKSignaturesAreVerified(t *testing.T) {
	s := start(t, "serve")
	id, secret := s.credentials(t)
	for _, row := range []struct {
		name    string
		keys    aws.CredentialsProvider
		code    string
		message string
	}{
		{"a wrong secret", keys(id, secret+"x"), "InvalidSignatureException", "signature"},
		{"an unknown key", keys("AKIANOBODYKNOWSTHIS0", secret), "UnrecognizedClientException", ""},
		{"no signature at all", aws.AnonymousCredentials{}, "MissingAuthenticationTokenException", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			config := s.config(t)
			config.Credentials = row.keys
			_, control := iot.NewFromConfig(config).ListThings(t.Context(), &iot.ListThingsInput{})
			_, data := iotjobsdataplane.NewFromConfig(config).GetPendingJobExecutions(t.Context(),
				&iotjobsdataplane.GetPendingJobExecutionsInput{ThingName: aws.String("pump-7")})
			for plane, err := range map[string]error{"control": control, "data": data} {
				var named interface{ ErrorCode() string }
				response := new(awshttp.ResponseError)
				if !errors.As(err, &named) || named.ErrorCode() != row.code || !errors.As(err, &response) || response.HTTPStatusCode() != http.StatusForbidden {
					t.Errorf("%s plane: got %v, want 403 %s", plane, err, row.code)
				}
			}
		})
	}
}

func keys(id, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
	})
}
