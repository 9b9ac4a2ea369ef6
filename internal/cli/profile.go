package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// Connection is where the server is and who calls it. Every field may be left
// out: then the variables and files that AWS's own clients read decide, in the
// order flag, variable, profile.
type Connection struct {
	Endpoint string `help:"URL of the server; else AWS_ENDPOINT_URL_IOT, AWS_ENDPOINT_URL or the profile's endpoint_url." placeholder:"URL"`
	Profile  string `help:"Profile of the credentials file; else AWS_PROFILE." placeholder:"NAME"`
	Region   string `help:"Region to sign for; else AWS_REGION or the profile's; us-east-1." placeholder:"REGION"`
	CA       string `name:"ca" help:"The server's CA certificate, DIR/ca.pem of drover serve; else AWS_CA_BUNDLE." placeholder:"FILE"`
}

// service is an AWS service as variables, files and signatures name it.
type service struct {
	scope    string // in a signature
	variable string // the rest of AWS_ENDPOINT_URL_…
	section  string // in a services section
}

var (
	controlPlane = service{iot.Service, "IOT", "iot"}
	dataPlane    = service{jobsdata.Service, "IOT_JOBS_DATA_PLANE", "iot_jobs_data_plane"}
)

// settings are a Connection with everything decided.
type settings struct {
	service
	endpoint *url.URL
	region   string
	keys     Keys
	ca       string
}

const defaultRegion = "us-east-1"

// resolve reads variables and profile files for the control plane.
func (c Connection) resolve(env func(string) string) (settings, error) {
	profile, named := firstSet(c.Profile, env("AWS_PROFILE"), env("AWS_DEFAULT_PROFILE"))
	if !named {
		profile = "default"
	}
	files, err := readProfile(env, profile)
	if err != nil {
		return settings{}, err
	}
	if named && !files.known() {
		return settings{}, usage("There is no profile "+profile+" in the AWS configuration and credentials files.",
			"drover serve writes one: AWS_SHARED_CREDENTIALS_FILE=DIR/credentials AWS_PROFILE=drover")
	}
	s := settings{
		service: controlPlane,
		region:  cmp.Or(c.Region, env("AWS_REGION"), env("AWS_DEFAULT_REGION"), files.get("region"), defaultRegion),
		ca:      cmp.Or(c.CA, env("AWS_CA_BUNDLE"), files.get("ca_bundle")),
	}
	if s.endpoint, err = parseEndpoint(cmp.Or(c.Endpoint, files.endpoint(env, controlPlane))); err != nil {
		return settings{}, err
	}
	s.keys, err = c.keys(env, files, s.endpoint)
	return s, err
}

func parseEndpoint(address string) (*url.URL, error) {
	const next = "Name the server: --endpoint http://127.0.0.1:8080 (drover dev) or --endpoint https://HOST:8443 --ca DIR/ca.pem (drover serve)."
	if address == "" {
		return nil, usage("No endpoint: it is not known where the server is.", next)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("The endpoint "+address+" is not a URL that begins with http:// or https://.", next)
	}
	return u, nil
}

// keys finds the access key. Keys from variables win over a profile's, unless a
// profile was asked for on the command line. A `drover dev` takes any key, so on
// plaintext loopback the lack of one is no obstacle.
func (c Connection) keys(env func(string) string, files profileFiles, endpoint *url.URL) (Keys, error) {
	k := Keys{ID: env("AWS_ACCESS_KEY_ID"), Secret: env("AWS_SECRET_ACCESS_KEY"), SessionToken: env("AWS_SESSION_TOKEN")}
	if c.Profile != "" || k.ID == "" || k.Secret == "" {
		k = files.keys()
	}
	if k.ID != "" && k.Secret != "" {
		return k, nil
	}
	if endpoint.Scheme == "http" && isLoopback(endpoint.Hostname()) {
		return Keys{ID: "dev", Secret: "dev"}, nil
	}
	return Keys{}, usage("No credentials: neither the AWS_… variables nor the profile hold an access key.",
		"Use the file that drover serve wrote: AWS_SHARED_CREDENTIALS_FILE=DIR/credentials AWS_PROFILE=drover")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func firstSet(values ...string) (string, bool) {
	v := cmp.Or(values...)
	return v, v != ""
}

// profileFiles is what the files say of one profile. A section that is not there is nil.
type profileFiles struct {
	config      map[string]string // of the config file
	credentials map[string]string // of the credentials file, which wins
	services    map[string]string // the services section that the profile names
}

func (p profileFiles) known() bool { return p.config != nil || p.credentials != nil }

func (p profileFiles) get(name string) string { return cmp.Or(p.credentials[name], p.config[name]) }

// keys is the access key of the profile.
func (p profileFiles) keys() Keys {
	return Keys{ID: p.get("aws_access_key_id"), Secret: p.get("aws_secret_access_key"), SessionToken: p.get("aws_session_token")}
}

// endpoint is what variables and then the profile say of where a service is: its
// own endpoint before that of all.
func (p profileFiles) endpoint(env func(string) string, s service) string {
	if strings.EqualFold(cmp.Or(env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), p.get("ignore_configured_endpoint_urls")), "true") {
		return ""
	}
	return cmp.Or(env("AWS_ENDPOINT_URL_"+s.variable), env("AWS_ENDPOINT_URL"),
		p.services[s.section+".endpoint_url"], p.get("endpoint_url"))
}

// readProfile reads what the config file and the credentials file say of a profile.
func readProfile(env func(string) string, profile string) (p profileFiles, err error) {
	home := env("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	config, err := readINI(cmp.Or(env("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config")))
	if err != nil {
		return p, err
	}
	credentials, err := readINI(cmp.Or(env("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials")))
	if err != nil {
		return p, err
	}
	section := "profile " + profile
	if profile == "default" && config[section] == nil {
		section = profile
	}
	p = profileFiles{config: config[section], credentials: credentials[profile]}
	if services := p.get("services"); services != "" {
		p.services = config["services "+services]
	}
	return p, nil
}

// maxProfileFile bounds what is read of a configuration file.
const maxProfileFile = 1 << 20

// readINI reads an AWS configuration file: sections, `name = value`, comments,
// and nested values, indented below a name without one, as `name.nested`. A
// file that does not exist is empty.
func readINI(path string) (map[string]map[string]string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxProfileFile {
		return nil, usage(path+" is larger than 1 MiB: that is no AWS configuration file.", "")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, &Failure{Exit: ExitUsage, Message: err.Error(), Cause: err}
	}
	sections := map[string]map[string]string{}
	var section map[string]string
	parent := ""
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
			continue
		}
		if trimmed[0] == '[' {
			name := strings.Join(strings.Fields(strings.Trim(trimmed, "[]")), " ")
			if sections[name] == nil {
				sections[name] = map[string]string{}
			}
			section, parent = sections[name], ""
			continue
		}
		name, value, found := strings.Cut(trimmed, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if section == nil || !found {
			continue // AWS's clients pass over it too
		}
		nested := line[0] == ' ' || line[0] == '\t'
		switch {
		case nested && parent != "":
			section[parent+"."+name] = value
		default:
			section[name] = value
			parent = ""
			if value == "" {
				parent = name
			}
		}
	}
	return sections, nil
}
