package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGeneratedKeysHaveTheFormThatAWSToolsExpect(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		key := GenerateAccessKey()
		if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(key.ID) || !regexp.MustCompile(`^[A-Za-z0-9/+]{40}$`).MatchString(key.Secret) {
			t.Fatal(key)
		}
		if seen[key.ID] || seen[key.Secret] {
			t.Fatal("a key came twice")
		}
		seen[key.ID], seen[key.Secret] = true, true
	}
}

func TestCredentialsAreWrittenOnceAndReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	key, created, err := OpenCredentials(path)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	again, created, err := OpenCredentials(path)
	if err != nil || created || again != key {
		t.Fatal(again, created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	temporary := AccessKey{ID: "ASIA", Secret: "s=/+", SessionToken: "t=="}
	if err := WriteCredentials(path, temporary); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadCredentials(path); err != nil || got != temporary {
		t.Fatal(cmp.Diff(temporary, got), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestCredentialsFilesOfPeopleAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	for _, c := range []struct{ name, text, says string }{
		{"among other profiles", "[default]\naws_access_key_id=X\naws_secret_access_key=Y\n\n[drover]\r\n# mine\nAWS_Access_Key_ID=AKIA1\naws_secret_access_key =  a=b/c+d\nregion = us-east-1\n[z]\naws_access_key_id=Z\n", ""},
		{"no such profile", "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=a=b/c+d\n", "has no section [drover]"},
		{"no secret", "[drover]\naws_access_key_id=AKIA1\n", "needs both"},
		{"a line that is none", "[drover]\nsecret\n", ":2: expected"},
		{"an empty file", "", "has no section"},
		{"too large", "[drover]\n" + strings.Repeat("#\n", maxCredentials), "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			key, created, err := OpenCredentials(path)
			if created {
				t.Fatal("a file that was there was replaced")
			}
			if c.says == "" {
				if err != nil || key != (AccessKey{ID: "AKIA1", Secret: "a=b/c+d"}) {
					t.Fatal(key, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v does not say %q", err, c.says)
			}
		})
	}
	if _, err := ReadCredentials(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestAFileThatCannotBeReplacedLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeDurably(path, []byte("x"), 0o600); err == nil {
		t.Fatal("a folder was replaced by a file")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}
