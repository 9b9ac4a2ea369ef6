package cli

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEndpointAndKeysComeFromWhereAWSClientsLook has one row for each source and
// for each order between two (ecosystem.md section 4).
func TestEndpointAndKeysComeFromWhereAWSClientsLook(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{
		"AWS_CONFIG_FILE": `# a comment
[default]
region = from-default
[profile lab]
region=from-lab
endpoint_url = http://lab:1
ca_bundle = /lab/ca.pem
[profile split]
services = ours
endpoint_url = http://every:1
[services ours]
s3 =
  endpoint_url = http://s3:1
iot =
  endpoint_url = http://iot:1
`,
		"AWS_SHARED_CREDENTIALS_FILE": `[default]
aws_access_key_id = default-id
aws_secret_access_key = default-secret
[lab]
aws_access_key_id = lab-id
aws_secret_access_key = lab-secret
aws_session_token = lab-token
[split]
aws_access_key_id = split-id
aws_secret_access_key = split-secret
`,
	}
	base := map[string]string{}
	for name, text := range files {
		base[name] = filepath.Join(dir, name)
		if err := os.WriteFile(base[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type want struct{ endpoint, region, id, token, ca, wrong string }
	for _, row := range []struct {
		name string
		conn Connection
		env  map[string]string
		want want
	}{
		{
			"the default profile",
			Connection{Endpoint: "http://h:1"},
			nil,
			want{endpoint: "http://h:1", region: "from-default", id: "default-id"},
		},
		{
			"AWS_PROFILE chooses another",
			Connection{},
			map[string]string{"AWS_PROFILE": "lab"},
			want{endpoint: "http://lab:1", region: "from-lab", id: "lab-id", token: "lab-token", ca: "/lab/ca.pem"},
		},
		{
			"--profile wins over AWS_PROFILE and over keys in variables",
			Connection{Profile: "lab"},
			map[string]string{"AWS_PROFILE": "default", "AWS_ACCESS_KEY_ID": "env", "AWS_SECRET_ACCESS_KEY": "env"},
			want{endpoint: "http://lab:1", region: "from-lab", id: "lab-id", token: "lab-token", ca: "/lab/ca.pem"},
		},
		{
			"keys in variables win over the profile of AWS_PROFILE",
			Connection{},
			map[string]string{"AWS_PROFILE": "lab", "AWS_ACCESS_KEY_ID": "env", "AWS_SECRET_ACCESS_KEY": "env"},
			want{endpoint: "http://lab:1", region: "from-lab", id: "env", ca: "/lab/ca.pem"},
		},
		{
			"the endpoint of the service wins over that of all",
			Connection{},
			map[string]string{"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_IOT": "https://iot:2", "AWS_REGION": "r", "AWS_CA_BUNDLE": "/ca"},
			want{endpoint: "https://iot:2", region: "r", id: "default-id", ca: "/ca"},
		},
		{
			"a services section wins over the profile's endpoint",
			Connection{Profile: "split"},
			nil,
			want{endpoint: "http://iot:1", region: "us-east-1", id: "split-id"},
		},
		{
			"drover dev on this machine needs no key",
			Connection{Endpoint: "http://127.0.0.1:8080"},
			map[string]string{"AWS_SHARED_CREDENTIALS_FILE": os.DevNull},
			want{endpoint: "http://127.0.0.1:8080", region: "from-default", id: "dev"},
		},
		{
			"another machine needs one",
			Connection{Endpoint: "https://drover.example:8443"},
			map[string]string{"AWS_SHARED_CREDENTIALS_FILE": os.DevNull},
			want{wrong: "No credentials"},
		},
		{"an endpoint is needed", Connection{}, nil, want{wrong: "No endpoint"}},
		{"an endpoint is a URL", Connection{Endpoint: "localhost:8443"}, nil, want{wrong: "not a URL"}},
		{"a profile that nobody wrote", Connection{Profile: "typo", Endpoint: "http://h:1"}, nil, want{wrong: "no profile typo"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			env := maps.Clone(base)
			maps.Copy(env, row.env)
			s, err := row.conn.resolve(func(name string) string { return env[name] })
			if row.want.wrong != "" {
				var f *Failure
				if !errors.As(err, &f) || f.Exit != ExitUsage || f.Next == "" || !strings.Contains(f.Message, row.want.wrong) {
					t.Fatalf("got %v, want a usage Failure with %q and a next step", err, row.want.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := want{endpoint: s.endpoint.String(), region: s.region, id: s.keys.ID, token: s.keys.SessionToken, ca: s.ca}
			if got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}
