package sqlite

import (
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

const typeColumns = "key, uuid, name, description, searchable, created, deprecated"

func scanType(r *row) (t registry.Type, err error) {
	t = registry.Type{
		Key: r.int(0), UUID: r.text(1), Name: registry.TypeName(r.text(2)), Description: r.text(3),
		CreatedAt: instant(r.int(5)), DeprecatedAt: instant(r.int(6)),
	}
	if list := r.text(4); list != "[]" {
		err = decode(list, &t.Searchable)
	}
	return t, err
}

func (t *tx) Type(name registry.TypeName) (of registry.Type, err error) {
	err = t.one("SELECT "+typeColumns+" FROM thing_type WHERE name = ?", []any{string(name)},
		func(r *row) (err error) { of, err = scanType(r); return err })
	return of, err
}

func (t *tx) PutType(of *registry.Type) error {
	searchable := "[]"
	if len(of.Searchable) > 0 {
		var err error
		if searchable, err = encode(of.Searchable); err != nil {
			return err
		}
	}
	if of.Key != 0 {
		return t.rewrite("UPDATE thing_type SET description = ?, searchable = ?, deprecated = ? WHERE key = ?",
			of.Description, searchable, millis(of.DeprecatedAt), of.Key)
	}
	_, err := t.c.exec("INSERT INTO thing_type (uuid, name, description, searchable, created, deprecated) VALUES (?, ?, ?, ?, ?, ?)",
		of.UUID, string(of.Name), of.Description, searchable, millis(of.CreatedAt), millis(of.DeprecatedAt))
	of.Key = t.c.lastInsertRowID()
	return err
}

func (t *tx) DeleteType(key int64) error {
	if err := t.rewrite("DELETE FROM thing_type WHERE key = ?", key); err != nil {
		return err
	}
	return t.dropTags(registry.TaggedType, key)
}

func (t *tx) Types(p store.Page) (types []registry.Type, next string, err error) {
	pg := pager{limit: p.Limit}
	err = t.paged("SELECT "+typeColumns+" FROM thing_type WHERE name > ? ORDER BY name LIMIT ?+0",
		[]any{p.After, pg.rows(false)}, func(r *row) error {
			of, err := scanType(r)
			if err != nil {
				return err
			}
			keep, err := pg.take(string(of.Name), true)
			if keep {
				types = append(types, of)
			}
			return err
		})
	return types, pg.next, err
}

func (t *tx) PutTag(of registry.Tagged, tag registry.Tag) error {
	_, err := t.c.exec("INSERT OR REPLACE INTO tag (kind, owner, name, value) VALUES (?, ?, ?, ?)", int64(of.Kind), of.Key, tag.Key, tag.Value)
	return err
}

func (t *tx) DeleteTag(of registry.Tagged, key string) error {
	_, err := t.c.exec("DELETE FROM tag WHERE kind = ? AND owner = ? AND name = ?", int64(of.Kind), of.Key, key)
	return err
}

// dropTags goes with the resource.
func (t *tx) dropTags(kind registry.TaggedKind, owner int64) error {
	_, err := t.c.exec("DELETE FROM tag WHERE kind = ? AND owner = ?", int64(kind), owner)
	return err
}

func (t *tx) Tags(of registry.Tagged, p store.Page) (tags []registry.Tag, next string, err error) {
	pg := pager{limit: p.Limit}
	err = t.paged("SELECT name, value FROM tag WHERE kind = ? AND owner = ? AND name > ? ORDER BY name LIMIT ?+0",
		[]any{int64(of.Kind), of.Key, p.After, pg.rows(false)}, func(r *row) error {
			tag := registry.Tag{Key: r.text(0), Value: r.text(1)}
			keep, err := pg.take(tag.Key, true)
			if keep {
				tags = append(tags, tag)
			}
			return err
		})
	return tags, pg.next, err
}

func (t *tx) EventConfiguration() (c registry.EventConfiguration, err error) {
	err = t.c.query("SELECT enabled, created, modified FROM event_configuration WHERE one = 1", nil, func(r *row) error {
		c = registry.EventConfiguration{Enabled: registry.EventSet(r.int(0)), CreatedAt: instant(r.int(1)), ModifiedAt: instant(r.int(2))}
		return nil
	})
	return c, err
}

func (t *tx) PutEventConfiguration(c registry.EventConfiguration) error {
	_, err := t.c.exec("INSERT OR REPLACE INTO event_configuration (one, enabled, created, modified) VALUES (1, ?, ?, ?)",
		int64(c.Enabled), millis(c.CreatedAt), millis(c.ModifiedAt))
	return err
}
