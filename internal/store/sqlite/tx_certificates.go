package sqlite

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

const certificateColumns = "id, status, created, not_before, not_after, mode, version, generation, updated"

func scanCertificate(r *row) registry.Certificate {
	return registry.Certificate{
		ID: r.text(0), Status: registry.CertificateStatus(r.text(1)),
		CreatedAt: instant(r.int(2)), NotBefore: instant(r.int(3)), NotAfter: instant(r.int(4)),
		Mode: registry.CertificateMode(r.text(5)), Version: r.int(6), Generation: r.text(7), UpdatedAt: instant(r.int(8)),
	}
}

func (t *tx) Certificate(id string) (c registry.Certificate, err error) {
	err = t.one("SELECT "+certificateColumns+", pem FROM certificate WHERE id = ?", []any{id}, func(r *row) error {
		c = scanCertificate(r)
		c.PEM = r.text(9)
		return nil
	})
	return c, err
}

func (t *tx) PutCertificate(c registry.Certificate) error {
	_, err := t.c.exec("INSERT INTO certificate ("+certificateColumns+`, pem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, version = excluded.version, updated = excluded.updated`,
		c.ID, string(c.Status), millis(c.CreatedAt), millis(c.NotBefore), millis(c.NotAfter),
		string(c.Mode), c.Version, c.Generation, millis(c.UpdatedAt), c.PEM)
	return err
}

func (t *tx) DeleteCertificate(id string) error {
	return t.rewrite("DELETE FROM certificate WHERE id = ?", id)
}

// Certificates walks (created, id), which an index has.
func (t *tx) Certificates(ascending bool, p store.Page) (certificates []registry.Certificate, next string, err error) {
	than, order, created, id := "<", "DESC", int64(math.MaxInt64), ""
	if ascending {
		than, order, created = ">", "ASC", math.MinInt64
	}
	if p.After != "" {
		at, rest, ok := strings.Cut(p.After, ".")
		if created, err = strconv.ParseInt(at, 10, 64); err != nil || !ok {
			return nil, "", fmt.Errorf("%w: %q", store.ErrCursor, p.After)
		}
		id = rest
	}
	pg := pager{limit: p.Limit}
	err = t.paged("SELECT "+certificateColumns+" FROM certificate WHERE (created, id) "+than+" (?, ?) ORDER BY created "+order+", id "+order+" LIMIT ?+0",
		[]any{created, id, pg.rows(false)}, func(r *row) error {
			keep, err := pg.take(strconv.FormatInt(r.int(2), 10)+"."+r.text(0), true)
			if keep {
				certificates = append(certificates, scanCertificate(r))
			}
			return err
		})
	return certificates, pg.next, err
}

func (t *tx) Attach(certificate string, thing int64, exclusive bool) error {
	known, err := t.exists("SELECT 1 FROM attachment WHERE thing = ? AND certificate = ?", thing, certificate)
	if err != nil {
		return err
	}
	if known {
		_, err := t.c.exec("UPDATE attachment SET exclusive = ? WHERE thing = ? AND certificate = ?", exclusive, thing, certificate)
		return err
	}
	seq, err := t.draw("attachment")
	if err != nil {
		return err
	}
	n, err := t.c.exec(`INSERT INTO attachment (thing, certificate, seq, exclusive)
		SELECT t.key, c.id, ?, ? FROM thing t, certificate c WHERE t.key = ? AND t.deleted = 0 AND c.id = ?`,
		seq, exclusive, thing, certificate)
	if err == nil && n == 0 {
		return fmt.Errorf("attach a certificate: %w", store.ErrNotFound)
	}
	return err
}

func (t *tx) Detach(certificate string, thing int64) (bool, error) {
	n, err := t.c.exec("DELETE FROM attachment WHERE thing = ? AND certificate = ?", thing, certificate)
	return n > 0, err
}

// CertificatesOfThing sorts: a thing has few certificates.
func (t *tx) CertificatesOfThing(thing int64, f store.AttachmentFilter, p store.Page) ([]registry.Attachment, string, error) {
	return t.attachments(`SELECT a.certificate, t.name, a.exclusive, a.seq FROM attachment a JOIN thing t ON t.key = a.thing
		WHERE a.thing = ? AND a.seq > ? ORDER BY a.seq LIMIT ?+0`, thing, f, p)
}

func (t *tx) ThingsOfCertificate(id string, f store.AttachmentFilter, p store.Page) ([]registry.Attachment, string, error) {
	return t.attachments(`SELECT a.certificate, t.name, a.exclusive, a.thing FROM attachment a JOIN thing t ON t.key = a.thing
		WHERE a.certificate = ? AND a.thing > ? ORDER BY a.thing LIMIT ?+0`, id, f, p)
}

// attachments is a page of rows of certificate, thing, exclusive and the number
// that they are ordered by.
func (t *tx) attachments(sql string, of any, f store.AttachmentFilter, p store.Page) (attached []registry.Attachment, next string, err error) {
	after, err := numbers(p.After, 0)
	if err != nil {
		return nil, "", err
	}
	pg := pager{limit: p.Limit}
	err = t.paged(sql, []any{of, after[0], pg.rows(f.Exclusive != nil)}, func(r *row) error {
		keep, err := pg.take(cursor(r.int(3)), f.Exclusive == nil || *f.Exclusive == r.bool(2))
		if keep {
			attached = append(attached, registry.Attachment{Certificate: r.text(0), Thing: registry.Name(r.text(1)), Exclusive: r.bool(2)})
		}
		return err
	})
	return attached, pg.next, err
}
