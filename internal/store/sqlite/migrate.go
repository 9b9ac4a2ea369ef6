package sqlite

import (
	"embed"
	"fmt"
	"strings"
)

// Format is the version of the data folder's format that this build writes:
// that of schema.sql, and of the last file in migrations.
const Format = 2

// migrations has a file N.sql for each format after the first: the steps that
// make format N of format N-1. A fresh folder is made by schema.sql alone, so a
// change goes into both; a test holds them against each other.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migration is the script that brings a database from one format to another,
// in one transaction.
func migration(from, to int) (string, error) {
	var b strings.Builder
	b.WriteString("BEGIN;\n")
	for format := from + 1; format <= to; format++ {
		steps, err := migrations.ReadFile(fmt.Sprintf("migrations/%d.sql", format))
		if err != nil {
			return "", fmt.Errorf("the steps to format %d are missing in this build: %w", format, err)
		}
		b.Write(steps)
	}
	fmt.Fprintf(&b, ";\nPRAGMA user_version = %d; COMMIT;", to)
	return b.String(), nil
}

// migrate brings the tables of an older format to ours. An error leaves the
// file as it was.
func (s *Store) migrate(c *conn, from int) error {
	script, err := migration(from, Format)
	if err != nil {
		return err
	}
	if err := c.script(script); err != nil { // closing the connection rolls back
		return fmt.Errorf("bring the data from format %d to %d: %w", from, Format, err)
	}
	s.migrated = from
	return nil
}

// MigratedFrom is the format that the data had before Open, 0 if it was ours.
func (s *Store) MigratedFrom() int { return s.migrated }
