package conversation

import (
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

const testdata = "../../testdata/"

// TestConversations runs every conversation over each of its protocols, each
// with a server of its own, and then holds what ran against the table of rows.
func TestConversations(t *testing.T) {
	all, err := Load(testdata + "conversations")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(testdata + "rows.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := ReadRows(f)
	if err != nil {
		t.Fatal(err)
	}
	ran := Ran{}
	var mu sync.Mutex
	t.Run("run", func(t *testing.T) {
		for _, c := range all {
			for _, over := range c.Over {
				t.Run(c.Name+"/"+string(over), func(t *testing.T) {
					t.Parallel()
					if err := Run(c, over, startServer(t, c.Server)); err != nil {
						t.Fatal(err)
					}
					mu.Lock()
					defer mu.Unlock()
					ran[c.Name] = append(ran[c.Name], over)
				})
			}
		}
	})
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		t.Log("only some conversations were asked for: the table is held against what is written, not what ran")
		for _, c := range all {
			ran[c.Name] = slices.Clone(c.Over)
		}
	}
	for _, fault := range Uncovered(rows, all, ran) {
		t.Error(fault)
	}
}
