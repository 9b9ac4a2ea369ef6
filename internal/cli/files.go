package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// deviceFiles are what a device needs to come in, as files of one folder.
type deviceFiles struct {
	Certificate string `json:"certificate"`
	PrivateKey  string `json:"privateKey"`
	PublicKey   string `json:"publicKey"`
	CA          string `json:"ca"`

	force bool
	// key is the private key's file under a name of its own: it is there before
	// the key is made, so that a key that is sent only once has a place.
	key *os.File
}

// reserve makes the folder and a place for the key, and refuses names that are
// taken, unless force is set. The CA's file may be there: devices share it.
func reserve(dir, thing string, force bool) (*deviceFiles, error) {
	f := pathsIn(dir, thing)
	f.force = force
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fileFailure(err)
	}
	for _, path := range []string{f.Certificate, f.PrivateKey, f.PublicKey} {
		if _, err := os.Lstat(path); err == nil && !force {
			return nil, &Failure{
				Exit: ExitUsage, Message: path + " is there already.",
				Next: "Use another --cert-out, or --force to overwrite it: the certificate that it belongs to stays ACTIVE.",
			}
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fileFailure(err)
		}
	}
	var err error
	f.key, err = os.CreateTemp(dir, "."+filepath.Base(f.PrivateKey)+"-*") // mode 0600
	if err != nil {
		return nil, fileFailure(err)
	}
	return f, nil
}

// release takes the reserved place away if it was not used.
func (f *deviceFiles) release() {
	if f.key != nil {
		f.key.Close()
		os.Remove(f.key.Name())
		f.key = nil
	}
}

// write keeps everything, the key first.
func (f *deviceFiles) write(certificate, private, public, ca string) error {
	_, err := io.WriteString(f.key, private)
	err = errors.Join(err, f.key.Sync(), f.key.Close())
	if err == nil {
		err = place(f.key.Name(), f.PrivateKey, f.force)
	}
	if err != nil {
		return fileFailure(err)
	}
	f.key = nil
	for path, text := range map[string]string{f.Certificate: certificate, f.PublicKey: public} {
		if err := create(path, text, f.force); err != nil {
			return fileFailure(err)
		}
	}
	if err := create(f.CA, ca, true); err != nil {
		return fileFailure(err)
	}
	return nil
}

// place moves a file to its name, over another only by force.
func place(from, to string, force bool) error {
	if force {
		return os.Rename(from, to)
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}

func create(path, text string, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if !force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Close())
}

func fileFailure(err error) error {
	return &Failure{Exit: ExitFailed, Message: err.Error() + ".", Next: "Choose a folder that you can write to with --cert-out.", Cause: err}
}

// maxPEM bounds what is read of the server's CA.
const maxPEM = 64 << 10

// ca gives the server's CA certificate: the one that this connection is checked
// against if there is one, else what the server hands out.
func (c *Client) ca(ctx context.Context) (string, error) {
	if c.settings.ca != "" {
		pem, err := os.ReadFile(c.settings.ca)
		return string(pem), err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint.JoinPath("ca.pem").String(), http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return "", c.unreachable(err)
	}
	defer resp.Body.Close()
	pem, err := io.ReadAll(io.LimitReader(resp.Body, maxPEM))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = &Failure{
			Exit: ExitFailed, Message: fmt.Sprintf("%s/ca.pem: %s.", strings.TrimSuffix(c.endpoint.String(), "/"), resp.Status),
			Next: "Name the CA's file with --ca.",
		}
	}
	return string(pem), err
}

// shellQuote makes a path one word of a POSIX shell.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
