package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// AccessKey is what an operator signs with.
type AccessKey struct {
	ID     string
	Secret string
	// SessionToken comes with temporary keys, and Expires ends them. Both are
	// empty for a key that lasts.
	SessionToken string
	Expires      time.Time
}

// GenerateAccessKey makes a lasting key in the form that AWS tools expect: an id
// of 20 characters that begins with AKIA, a secret of 40.
func GenerateAccessKey() AccessKey {
	var id [10]byte // 16 characters of base32
	var secret [30]byte
	rand.Read(id[:]) // never fails, by its contract
	rand.Read(secret[:])
	return AccessKey{
		ID:     "AKIA" + base32.StdEncoding.EncodeToString(id[:]),
		Secret: base64.StdEncoding.EncodeToString(secret[:]),
	}
}

// Profile is the section of the credentials file that Drover writes and reads.
const Profile = "drover"

const (
	fieldID     = "aws_access_key_id"
	fieldSecret = "aws_secret_access_key"
	fieldToken  = "aws_session_token"
)

// maxCredentials bounds a credentials file before it is read.
const maxCredentials = 64 << 10

// OpenCredentials reads the access key at path, or makes one and writes it there
// if there is no such file. It never replaces a file: what is there but cannot be
// read is an error.
func OpenCredentials(path string) (key AccessKey, created bool, err error) {
	key, err = ReadCredentials(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	key = GenerateAccessKey()
	return key, true, WriteCredentials(path, key)
}

// WriteCredentials writes an AWS credentials file with the one profile, for its
// owner alone. It is on disk, whole, when this returns.
func WriteCredentials(path string, key AccessKey) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "[%s]\n%s = %s\n%s = %s\n", Profile, fieldID, key.ID, fieldSecret, key.Secret)
	if key.SessionToken != "" {
		fmt.Fprintf(&b, "%s = %s\n", fieldToken, key.SessionToken)
	}
	return writeDurably(path, b.Bytes(), 0o600)
}

// ReadCredentials reads the profile of an AWS credentials file. The error is
// fs.ErrNotExist if there is no file; no error says the secret.
func ReadCredentials(path string) (AccessKey, error) {
	text, err := readBounded(path, maxCredentials)
	if err != nil {
		return AccessKey{}, err
	}
	var key AccessKey
	fields := map[string]*string{fieldID: &key.ID, fieldSecret: &key.Secret, fieldToken: &key.SessionToken}
	section, found := "", false
	for number, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = strings.TrimSpace(line[1 : len(line)-1])
			found = found || section == Profile
		case section == Profile:
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				return AccessKey{}, fmt.Errorf("%s:%d: expected `name = value`", path, number+1)
			}
			if field := fields[strings.ToLower(strings.TrimSpace(name))]; field != nil {
				*field = strings.TrimSpace(value)
			}
		}
	}
	switch {
	case !found:
		return AccessKey{}, fmt.Errorf("%s has no section [%s]; restore it from a backup, or remove the file and a new key is made", path, Profile)
	case key.ID == "" || key.Secret == "":
		return AccessKey{}, fmt.Errorf("%s: section [%s] needs both %s and %s", path, Profile, fieldID, fieldSecret)
	}
	return key, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, limit)
	}
	return os.ReadFile(path)
}
