package server

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// The files of a data folder that people are given.
const (
	CAFile          = auth.CAFile
	CredentialsFile = "credentials"
)

// Config is all that a server needs to be told. An empty address leaves that
// door closed; port 0 picks a free port.
type Config struct {
	// Dev lets everybody do everything, takes any access key, and allows the
	// plaintext doors.
	Dev bool
	// Data is the folder of everything that is kept. Empty (Dev only): a
	// temporary folder without syncs, removed at the end.
	Data string

	MQTTAddr, HTTPAddr   string // plaintext: Dev only, loopback only
	MQTTSAddr, HTTPSAddr string
	AdminAddr            string

	// AdvertiseHost is what DescribeEndpoint tells; Hosts are the names and
	// addresses that the server's certificate is for.
	AdvertiseHost string
	Hosts         []string

	// TLSCert, TLSKey and TLSCA are files of a certificate of the operator's own, in
	// place of one of our CA; Reload reads them again. TLSCA may be empty.
	TLSCert, TLSKey, TLSCA string

	Region, Account            string
	PendingLimit               int  // pending executions a device sees; 0: all
	NamedShadows               int  // of a thing; 0: no limit
	OmitMQTTThingName          bool // executions over MQTT do not carry thingName
	AutoThings                 bool // a thing is registered at its first request
	RolloutDefault, RolloutMax int64
	// Jobs that may be active or in deletion at once; 0: no limit.
	MaxActiveSnapshot, MaxActiveContinuous, MaxDeleting int
	// What AWS allows a job and the registry; nil: as AWS does.
	JobQuotas       *job.Quotas
	Quotas          *registry.Quotas
	NoSecondSuccess bool // a thing that has succeeded and rejoins a CONTINUOUS job is left alone

	Clock clock.Clock  // domain time; nil: clock.Real
	Log   *slog.Logger // nil: nothing is logged
	Build Build

	webSocketLife time.Duration // of a session that a signature opened; tests shorten it
}

// Build says which build serves, for /version.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ConfigError is a Config that cannot be meant.
type ConfigError struct {
	Message string
	Next    string // what to do about it
}

func (e *ConfigError) Error() string { return e.Message }

// check refuses what no server may do.
func (c *Config) check() error {
	if c.Data == "" && !c.Dev {
		return &ConfigError{"a server needs a data folder", "Name one with --data."}
	}
	for _, door := range []struct{ name, flag, addr string }{
		{"MQTT", "--mqtt-addr", c.MQTTAddr}, {"HTTP", "--http-addr", c.HTTPAddr},
	} {
		if door.addr == "" {
			continue
		}
		if !c.Dev {
			return &ConfigError{"plaintext " + door.name + " exists only in drover dev", "Use the TLS doors: --mqtts-addr, --https-addr."}
		}
		if err := loopback(door.name, door.flag, door.addr); err != nil {
			return err
		}
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	if c.MQTTAddr+c.HTTPAddr+c.MQTTSAddr+c.HTTPSAddr == "" {
		return &ConfigError{"all doors are closed: nobody could reach this server", "Open at least one, such as --https-addr :8443."}
	}
	return nil
}

// checkTLS refuses half of a certificate, and one that no door would show.
func (c *Config) checkTLS() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return &ConfigError{"--tls-cert and --tls-key belong together, and only one of them is set", "Name the PEM files of the certificate chain and of its key, or neither."}
	case c.TLSCert == "" && c.TLSCA != "":
		return &ConfigError{"--tls-ca says what to trust of --tls-cert, which is not set", "Set --tls-cert and --tls-key too, or leave --tls-ca out."}
	case c.TLSCert != "" && c.MQTTSAddr+c.HTTPSAddr == "":
		return &ConfigError{"--tls-cert is set, and no TLS door is open to show it", "Open one: --https-addr HOST:PORT or --mqtts-addr HOST:PORT."}
	}
	return nil
}

// loopback refuses an address that another machine could reach: what is said in
// plaintext, by anybody, stays on this one.
func loopback(name, flag, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return &ConfigError{fmt.Sprintf("%s %q: expected HOST:PORT", flag, addr), "Use for instance " + flag + " 127.0.0.1:0."}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return &ConfigError{
		fmt.Sprintf("%s %s: plaintext %s is for loopback only, other machines could reach this address", flag, addr, name),
		"Use " + flag + " 127.0.0.1:PORT, or TLS: drover serve.",
	}
}
