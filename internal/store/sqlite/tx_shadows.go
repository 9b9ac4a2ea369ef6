package sqlite

import "github.com/drover-iot/drover/internal/store"

// readShadow gives a thing's shadow, of version 0 if there is none.
func (t *tx) readShadow(thing int64, name string) (s store.Shadow, err error) {
	s = store.Shadow{ThingKey: thing, Name: name}
	err = t.c.query("SELECT version, changed, document FROM shadow WHERE thing = ? AND name = ?", []any{thing, name}, func(r *row) error {
		s.Version, s.At, s.Document = r.int(0), instant(r.int(1)), r.blob(2)
		return nil
	})
	return s, err
}

func (t *tx) putShadow(s *store.Shadow) error {
	_, err := t.c.exec("INSERT OR REPLACE INTO shadow (thing, name, version, changed, document) VALUES (?, ?, ?, ?, ?)",
		s.ThingKey, s.Name, s.Version, millis(s.At), s.Document)
	return err
}
