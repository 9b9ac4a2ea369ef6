package sqlite

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

const groupColumns = "g.key, g.uuid, g.name, g.description, g.attributes, g.version, g.created, g.parent"

// groupWidth is how many columns groupColumns has.
const groupWidth = 8

func scanGroup(r *row) (g registry.Group, err error) {
	g = registry.Group{
		Key: r.int(0), UUID: r.text(1), Name: registry.GroupName(r.text(2)), Description: r.text(3),
		Version: r.int(5), CreatedAt: instant(r.int(6)), Parent: r.int(7),
	}
	g.Attributes, err = attributes(r.text(4))
	return g, err
}

func (t *tx) Group(name registry.GroupName) (registry.Group, error) {
	return t.group("g.name = ?", string(name))
}

func (t *tx) GroupByUUID(uuid string) (registry.Group, error) { return t.group("g.uuid = ?", uuid) }

func (t *tx) GroupByKey(key int64) (registry.Group, error) { return t.group("g.key = ?", key) }

func (t *tx) group(where string, arg any) (group registry.Group, err error) {
	err = t.one("SELECT "+groupColumns+" FROM thing_group g WHERE "+where, []any{arg},
		func(r *row) (err error) { group, err = scanGroup(r); return err })
	return group, err
}

func (t *tx) PutGroup(g *registry.Group) error {
	text, err := encodeAttributes(g.Attributes)
	if err != nil {
		return err
	}
	if g.Key != 0 {
		return t.rewrite("UPDATE thing_group SET description = ?, attributes = ?, version = ? WHERE key = ?",
			g.Description, text, g.Version, g.Key)
	}
	_, err = t.c.exec("INSERT INTO thing_group (uuid, name, description, attributes, version, created, parent) VALUES (?, ?, ?, ?, ?, ?, ?)",
		g.UUID, string(g.Name), g.Description, text, g.Version, millis(g.CreatedAt), g.Parent)
	if err != nil {
		return err
	}
	g.Key = t.c.lastInsertRowID()
	path := "/"
	if g.Parent != 0 {
		if path, err = t.pathOf(g.Parent); err != nil {
			return err
		}
		if path == "" {
			return fmt.Errorf("parent %d of group %s: %w", g.Parent, g.Name, store.ErrNotFound)
		}
	}
	_, err = t.c.exec("INSERT INTO group_path (grp, path) VALUES (?, ?)", g.Key, path+strconv.FormatInt(g.Key, 10)+"/")
	return err
}

// pathOf is the place of a group in its hierarchy; empty: it is not known.
func (t *tx) pathOf(group int64) (path string, err error) {
	err = t.c.query("SELECT path FROM group_path WHERE grp = ?", []any{group}, func(r *row) error { path = r.text(0); return nil })
	return path, err
}

// beyond is the end of the range of paths that begin with this one.
func beyond(path string) string { return strings.TrimSuffix(path, "/") + "0" } // '0' follows '/'

func (t *tx) Above(group int64) (keys []int64, err error) {
	path, err := t.pathOf(group)
	if err != nil || path == "" {
		return nil, err
	}
	for _, part := range strings.Split(strings.Trim(path, "/"), "/") {
		key, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the path %q of group %d: %w", path, group, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (t *tx) CountChildren(group int64, limit int) (n int, err error) {
	err = t.c.query("SELECT 1 FROM thing_group WHERE parent = ? LIMIT ?+0", []any{group, limit}, func(*row) error { n++; return nil })
	return n, err
}

func (t *tx) NextGroup(group, after int64) (next int64, err error) {
	if after == 0 {
		return group, nil
	}
	top, err := t.pathOf(group)
	if err != nil || top == "" {
		return 0, err
	}
	err = t.c.query(`SELECT p.grp FROM group_path p WHERE p.path > (SELECT a.path FROM group_path a WHERE a.grp = ?) AND p.path < ?
		ORDER BY p.path LIMIT 1`, []any{after, beyond(top)}, func(r *row) error { next = r.int(0); return nil })
	return next, err
}

// ThingsUnder: its cursor is a group and a name in it. Empty groups count as rows
// that were examined.
func (t *tx) ThingsUnder(group int64, p store.Page) (names []registry.Name, next string, err error) {
	at, after := group, ""
	if p.After != "" {
		key, name, _ := strings.Cut(p.After, " ")
		if at, err = strconv.ParseInt(key, 10, 64); err != nil {
			return nil, "", store.ErrCursor
		}
		after = name
	}
	for looked := 0; at != 0; looked++ {
		if looked == store.Examine {
			return names, strconv.FormatInt(at, 10) + " " + after, nil
		}
		some, more, err := t.ThingsInGroup(at, store.Page{After: after, Limit: p.Limit - len(names)})
		if err != nil {
			return nil, "", err
		}
		names = append(names, some...)
		if more != "" {
			return names, strconv.FormatInt(at, 10) + " " + more, nil
		}
		after = ""
		if at, err = t.NextGroup(group, at); err != nil {
			return nil, "", err
		}
		if len(names) == p.Limit && at != 0 {
			return names, strconv.FormatInt(at, 10) + " ", nil
		}
	}
	return names, "", nil
}

// DeleteGroup costs the same however many members there are: they are pruned
// later, and an expansion that is pinned to them goes on.
func (t *tx) DeleteGroup(key int64) error {
	if err := t.rewrite("DELETE FROM thing_group WHERE key = ?", key); err != nil {
		return err
	}
	if err := t.dropTags(registry.TaggedGroup, key); err != nil {
		return err
	}
	_, err := t.c.exec("INSERT INTO dissolved (grp) VALUES (?)", key)
	t.b.wake(time.Time{})
	return err
}

// Groups: the cursor is a name, of a subtree it is a path.
func (t *tx) Groups(f store.GroupFilter, p store.Page) (groups []registry.Group, next string, err error) {
	pg := pager{limit: p.Limit}
	sql, args := byName(f, p.After)
	if f.Of == store.Below {
		top, err := t.pathOf(f.Group)
		if err != nil || top == "" {
			return nil, "", err
		}
		if p.After == "" {
			p.After = top
		}
		sql = "SELECT " + groupColumns + `, p.path FROM group_path p CROSS JOIN thing_group g ON g.key = p.grp
			WHERE p.path > ? AND p.path < ? ORDER BY p.path LIMIT ?+0`
		args = []any{p.After, beyond(top)}
	}
	err = t.paged(sql, append(args, pg.rows(f.Of == store.Below && f.NamePrefix != "")), func(r *row) error {
		group, err := scanGroup(r)
		if err != nil {
			return err
		}
		cursor := string(group.Name)
		if f.Of == store.Below {
			cursor = r.text(groupWidth)
		}
		keep, err := pg.take(cursor, strings.HasPrefix(string(group.Name), f.NamePrefix))
		if keep {
			groups = append(groups, group)
		}
		return err
	})
	return groups, pg.next, err
}

// byName is the statement that gives groups by name, after one.
func byName(f store.GroupFilter, after string) (sql string, args []any) {
	sql = "SELECT " + groupColumns + " FROM thing_group g WHERE "
	if f.Of == store.ChildrenOf {
		sql, args = sql+"g.parent = ? AND ", []any{f.Group}
	}
	end, from := "\x7f", ">" // names are of ASCII below it
	if f.NamePrefix != "" {
		end = f.NamePrefix + "\x7f"
		if after < f.NamePrefix {
			from, after = ">=", f.NamePrefix
		}
	}
	return sql + "g.name " + from + " ? AND g.name < ? ORDER BY g.name LIMIT ?+0", append(args, after, end)
}
