package sqlite

import (
	"fmt"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

const thingColumns = "key, uuid, name, attributes, version, created, type"

func scanThing(r *row) (t registry.Thing, err error) {
	t = registry.Thing{
		Key: r.int(0), UUID: r.text(1), Name: registry.Name(r.text(2)),
		Version: r.int(4), CreatedAt: instant(r.int(5)), Type: registry.TypeName(r.text(6)),
	}
	t.Attributes, err = attributes(r.text(3))
	return t, err
}

func attributes(text string) (m map[string]string, err error) {
	if text == "{}" {
		return nil, nil
	}
	return m, decode(text, &m)
}

func encodeAttributes(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	return encode(m)
}

func (t *tx) Thing(name registry.Name) (thing registry.Thing, err error) {
	err = t.one("SELECT "+thingColumns+" FROM thing WHERE name = ? AND deleted = 0", []any{string(name)},
		func(r *row) (err error) { thing, err = scanThing(r); return err })
	return thing, err
}

func (t *tx) PutThing(thing *registry.Thing) error {
	text, err := encodeAttributes(thing.Attributes)
	if err != nil {
		return err
	}
	if thing.Key != 0 {
		return t.rewrite("UPDATE thing SET attributes = ?, version = ?, type = ? WHERE key = ? AND deleted = 0", text, thing.Version, string(thing.Type), thing.Key)
	}
	_, err = t.c.exec("INSERT INTO thing (uuid, name, attributes, version, created, type) VALUES (?, ?, ?, ?, ?, ?)",
		thing.UUID, string(thing.Name), text, thing.Version, millis(thing.CreatedAt), string(thing.Type))
	thing.Key = t.c.lastInsertRowID()
	return err
}

// rewrite is an UPDATE that must find its row.
func (t *tx) rewrite(sql string, args ...any) error {
	n, err := t.c.exec(sql, args...)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// DeleteThing keeps the row, without its name's claim, while executions name it.
func (t *tx) DeleteThing(key int64) error {
	var name registry.Name
	err := t.one("SELECT name FROM thing WHERE key = ? AND deleted = 0", []any{key},
		func(r *row) error { name = registry.Name(r.text(0)); return nil })
	if err != nil {
		return err
	}
	t.forgetThing(name)
	if err := t.leave("thing = ? AND left_at = 0", key); err != nil {
		return err
	}
	for _, sql := range []string{
		"DELETE FROM attachment WHERE thing = ?",
		`UPDATE execution SET due = NULL WHERE (thing, job, number) IN (SELECT thing, job, number FROM pending WHERE thing = ? AND rank = 0)`,
	} {
		if _, err := t.c.exec(sql, key); err != nil {
			return err
		}
	}
	shadows, err := t.c.exec("INSERT INTO shadow_gone SELECT thing FROM shadow WHERE thing = ? LIMIT 1", key)
	if err != nil {
		return err
	}
	if shadows > 0 {
		t.b.wake(time.Time{})
	}
	pending, err := t.exists("SELECT 1 FROM pending WHERE thing = ? LIMIT 1", key)
	if err != nil {
		return err
	}
	as := gone
	if pending {
		as = removing
		t.b.wake(time.Time{})
	}
	if err := t.rewrite("UPDATE thing SET deleted = ? WHERE key = ?", as, key); err != nil {
		return err
	}
	return t.dropTombstone(key)
}

// What thing.deleted is of a deleted thing.
const (
	gone     = 1
	removing = 2 // what it had pending is still to become REMOVED
)

func (t *tx) Removals(limit int) (members []store.Member, err error) {
	err = t.c.query("SELECT key, name FROM thing WHERE deleted = 2 LIMIT ?+0", []any{limit}, func(r *row) error {
		members = append(members, store.Member{Key: r.int(0), Name: registry.Name(r.text(1))})
		return nil
	})
	return members, err
}

func (t *tx) Removed(key int64) error {
	if err := t.rewrite("UPDATE thing SET deleted = ? WHERE key = ? AND deleted = ?", gone, key, removing); err != nil {
		return err
	}
	return t.dropTombstone(key)
}

// dropTombstone forgets a deleted thing when no execution names it any more.
func (t *tx) dropTombstone(key int64) error {
	_, err := t.c.exec(`DELETE FROM thing WHERE key = ? AND deleted = 1
		AND NOT EXISTS (SELECT 1 FROM execution e WHERE e.thing = thing.key)`, key)
	return err
}

func (t *tx) Things(f store.ThingFilter, p store.Page) (things []registry.Thing, next string, err error) {
	pg := pager{limit: p.Limit}
	where, args := "", []any{}
	if f.Type != "" {
		where, args = " AND type = ? AND type <> ''", append(args, string(f.Type))
	}
	err = t.paged("SELECT "+thingColumns+" FROM thing WHERE deleted = 0"+where+" AND name > ? ORDER BY name LIMIT ?+0",
		append(args, p.After, pg.rows(f.Attribute != "")), func(r *row) error {
			thing, err := scanThing(r)
			if err != nil {
				return err
			}
			keep, err := pg.take(string(thing.Name), matches(f, thing.Attributes))
			if keep {
				things = append(things, thing)
			}
			return err
		})
	return things, pg.next, err
}

func matches(f store.ThingFilter, attributes map[string]string) bool {
	if f.Attribute == "" {
		return true
	}
	v, ok := attributes[f.Attribute]
	switch {
	case !ok:
		return false
	case f.Prefix:
		return strings.HasPrefix(v, f.Value)
	}
	return v == f.Value
}

// Join makes the thing a member from the next membership number on.
func (t *tx) Join(group, thing int64) error {
	member, err := t.exists("SELECT 1 FROM membership WHERE grp = ? AND thing = ? AND left_at = 0", group, thing)
	if err != nil || member {
		return err
	}
	at, err := t.draw("membership")
	if err != nil {
		return err
	}
	n, err := t.c.exec(`INSERT INTO membership (grp, thing, joined, name)
		SELECT g.key, t.key, ?, t.name FROM thing_group g, thing t WHERE g.key = ? AND t.key = ? AND t.deleted = 0`, at, group, thing)
	if err == nil && n == 0 {
		return fmt.Errorf("join group %d: %w", group, store.ErrNotFound)
	}
	return err
}

func (t *tx) Leave(group, thing int64) error {
	return t.leave("grp = ? AND thing = ? AND left_at = 0", group, thing)
}

// leave ends memberships. They are remembered only while an expansion that was
// pinned before may still walk them.
func (t *tx) leave(which string, args ...any) error {
	walked, err := t.expanding()
	if err != nil {
		return err
	}
	if !walked {
		_, err := t.c.exec("DELETE FROM membership WHERE "+which, args...)
		return err
	}
	at, err := t.draw("membership")
	if err != nil {
		return err
	}
	_, err = t.c.exec("UPDATE membership SET left_at = ? WHERE "+which, append([]any{at}, args...)...)
	return err
}

func (t *tx) ThingsInGroup(group int64, p store.Page) (names []registry.Name, next string, err error) {
	pg := pager{limit: p.Limit}
	err = t.paged("SELECT name FROM membership WHERE grp = ? AND left_at = 0 AND name > ? ORDER BY name LIMIT ?+0",
		[]any{group, p.After, pg.rows(false)}, func(r *row) error {
			keep, err := pg.take(r.text(0), true)
			if keep {
				names = append(names, registry.Name(r.text(0)))
			}
			return err
		})
	return names, pg.next, err
}

// GroupsOfThing sorts: a thing is in ten groups at most (registry-and-auth.md D.3).
func (t *tx) GroupsOfThing(thing int64, p store.Page) (groups []registry.Group, next string, err error) {
	pg := pager{limit: p.Limit}
	err = t.paged("SELECT "+groupColumns+` FROM membership m JOIN thing_group g ON g.key = m.grp
		WHERE m.thing = ? AND m.left_at = 0 AND g.name > ? ORDER BY g.name LIMIT ?+0`,
		[]any{thing, p.After, pg.rows(false)}, func(r *row) error {
			group, err := scanGroup(r)
			if err != nil {
				return err
			}
			keep, err := pg.take(string(group.Name), true)
			if keep {
				groups = append(groups, group)
			}
			return err
		})
	return groups, pg.next, err
}
