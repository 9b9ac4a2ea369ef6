package sqlite

import (
	"time"

	"github.com/drover-iot/drover/internal/store"
)

// readShadow gives a thing's shadow, of version 0 if there is none.
func (t *tx) readShadow(thing int64, name string) (s store.Shadow, err error) {
	s = store.Shadow{ThingKey: thing, Name: name}
	err = t.c.query("SELECT version, changed, document FROM shadow WHERE thing = ? AND name = ?", []any{thing, name}, func(r *row) error {
		s.Version, s.At, s.Document = r.int(0), instant(r.int(1)), r.blob(2)
		return nil
	})
	return s, err
}

// countShadows counts a thing's named shadows. The type of a document is known
// without reading it.
func (t *tx) countShadows(thing int64) (n store.NamedShadows, err error) {
	err = t.c.query("SELECT count(*), coalesce(sum(typeof(document) = 'null'), 0) FROM shadow WHERE thing = ? AND name > ''", []any{thing}, func(r *row) error {
		n.Deleted = int(r.int(1))
		n.There = int(r.int(0)) - n.Deleted
		return nil
	})
	if err != nil || n.Deleted == 0 {
		return n, err
	}
	err = t.c.query("SELECT name FROM shadow WHERE thing = ? AND name > '' AND typeof(document) = 'null' ORDER BY changed, name LIMIT 1", []any{thing},
		func(r *row) error { n.Oldest = r.text(0); return nil })
	return n, err
}

func (t *tx) putShadow(s *store.Shadow, forget string) error {
	_, err := t.c.exec("INSERT OR REPLACE INTO shadow (thing, name, version, changed, document) VALUES (?, ?, ?, ?, ?)",
		s.ThingKey, s.Name, s.Version, millis(s.At), s.Document)
	if err == nil && forget != "" {
		_, err = t.c.exec("DELETE FROM shadow WHERE thing = ? AND name = ? AND document IS NULL", s.ThingKey, forget)
	}
	return err
}

// PruneShadows takes the shadows of deleted things first.
func (t *tx) PruneShadows(before time.Time, limit int) (more bool, err error) {
	if limit == 0 {
		return t.exists(`SELECT 1 FROM shadow_gone UNION ALL
			SELECT 1 FROM (SELECT 1 FROM shadow WHERE document IS NULL AND changed < ? LIMIT 1) LIMIT 1`, millis(before))
	}
	for left := limit; left > 0; {
		var thing int64
		if err := t.c.query("SELECT thing FROM shadow_gone LIMIT 1", nil, func(r *row) error { thing = r.int(0); return nil }); err != nil {
			return false, err
		}
		if thing == 0 {
			n, err := t.c.exec(`DELETE FROM shadow WHERE (thing, name) IN
				(SELECT thing, name FROM shadow WHERE document IS NULL AND changed < ? ORDER BY changed LIMIT ?+0)`, millis(before), left)
			return int(n) == left, err
		}
		n, err := t.c.exec("DELETE FROM shadow WHERE (thing, name) IN (SELECT thing, name FROM shadow WHERE thing = ? LIMIT ?+0)", thing, left)
		if err != nil {
			return false, err
		}
		if left -= int(n); left > 0 {
			if _, err := t.c.exec("DELETE FROM shadow_gone WHERE thing = ?", thing); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (t *tx) NextShadow() (at time.Time, err error) {
	err = t.c.query("SELECT changed FROM shadow WHERE document IS NULL ORDER BY changed LIMIT 1", nil,
		func(r *row) error { at = instant(r.int(0)); return nil })
	return at, err
}
