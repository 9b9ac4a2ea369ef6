package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iot"
)

const fleetLines = `{"thingGroupName":"line-4"}
{"thingName":"pump-1","attributePayload":{"attributes":{"hall":"2"}},"thingGroupNames":["line-4"]}
{"thingName":"pump-2"}
{"thingName":"pump-2","thingGroupName":"line-4"}
`

const fleetDone = `{"line":4,"things":2,"thingGroups":1,"memberships":2,"done":true}`

func (s *server) inLine(t *testing.T) {
	t.Helper()
	out, err := s.control(t).ListThingsInThingGroup(t.Context(), &iot.ListThingsInThingGroupInput{ThingGroupName: aws.String("line-4")})
	if err != nil || strings.Join(out.Things, " ") != "pump-1 pump-2" {
		t.Errorf("in the group: %+v, %v", out, err)
	}
}

// A fleet as a stream, signed by the Go SDK's signer with the hash of the body and
// without it.
func TestServeImportsAFleetOverTLS(t *testing.T) {
	s := start(t, "serve")
	var key aws.Credentials
	key.AccessKeyID, key.SecretAccessKey = s.credentials(t)
	sum := sha256.Sum256([]byte(fleetLines))
	for _, hash := range []string{"UNSIGNED-PAYLOAD", hex.EncodeToString(sum[:])} {
		// A body without a length goes in chunks.
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.doors.HTTPS+"/drover/v1/import", io.MultiReader(strings.NewReader(fleetLines)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Content-Sha256", hash)
		if err := v4.NewSigner().SignHTTP(t.Context(), key, r, hash, "iot", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		resp, err := s.transport(t).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || string(bytes.TrimSpace(body)) != fleetDone {
			t.Errorf("%s: %d %s %v", hash, resp.StatusCode, body, err)
		}
		s.inLine(t)
	}
}

// The line of docs/import.md.
func TestCurlImportsAFleet(t *testing.T) {
	curl := need(t, "curl")
	s := start(t, "serve")
	file := filepath.Join(t.TempDir(), "fleet.jsonl")
	if err := os.WriteFile(file, []byte(fleetLines), 0o600); err != nil {
		t.Fatal(err)
	}
	id, secret := s.credentials(t)
	out, err := exec.CommandContext(t.Context(), curl, "-sS", "--aws-sigv4", "aws:amz:us-east-1:iot", "--user", id+":"+secret, "--cacert", s.ca(),
		"-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-T", file, "-X", "POST", "https://"+s.doors.HTTPS+"/drover/v1/import").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != fleetDone {
		t.Fatalf("curl says %s (%v)", out, err)
	}
	s.inLine(t)
}
