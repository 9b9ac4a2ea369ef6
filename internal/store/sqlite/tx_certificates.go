package sqlite

import (
	"fmt"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

const certificateColumns = "c.id, c.pem, c.status, c.created, c.not_before, c.not_after"

func scanCertificate(r *row) registry.Certificate {
	return registry.Certificate{
		ID: r.text(0), PEM: r.text(1), Status: registry.CertificateStatus(r.text(2)),
		CreatedAt: instant(r.int(3)), NotBefore: instant(r.int(4)), NotAfter: instant(r.int(5)),
	}
}

func (t *tx) Certificate(id string) (c registry.Certificate, err error) {
	err = t.one("SELECT "+certificateColumns+" FROM certificate c WHERE c.id = ?", []any{id},
		func(r *row) error { c = scanCertificate(r); return nil })
	return c, err
}

func (t *tx) PutCertificate(c registry.Certificate) error {
	_, err := t.c.exec(`INSERT INTO certificate (id, pem, status, created, not_before, not_after) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET status = excluded.status`,
		c.ID, c.PEM, string(c.Status), millis(c.CreatedAt), millis(c.NotBefore), millis(c.NotAfter))
	return err
}

func (t *tx) Certificates(yield func(registry.Certificate, []registry.Name) error) error {
	var c registry.Certificate
	var things []registry.Name
	flush := func() error {
		if c.ID == "" {
			return nil
		}
		return yield(c, things)
	}
	err := t.c.query("SELECT "+certificateColumns+`, t.name FROM certificate c
		LEFT JOIN attachment a ON a.certificate = c.id LEFT JOIN thing t ON t.key = a.thing AND t.deleted = 0
		ORDER BY c.id`, nil, func(r *row) error {
		if r.text(0) != c.ID {
			if err := flush(); err != nil {
				return err
			}
			c, things = scanCertificate(r), nil
		}
		if !r.isNull(6) {
			things = append(things, registry.Name(r.text(6)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// Attach is idempotent: an attachment keeps its place in the order.
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

func (t *tx) Detach(certificate string, thing int64) error {
	_, err := t.c.exec("DELETE FROM attachment WHERE thing = ? AND certificate = ?", thing, certificate)
	return err
}

// PrincipalsOfThing sorts: a thing has few certificates.
func (t *tx) PrincipalsOfThing(thing int64, p store.Page) (ids []string, next string, err error) {
	after, err := numbers(p.After, 0)
	if err != nil {
		return nil, "", err
	}
	pg := pager{limit: p.Limit}
	err = t.paged("SELECT certificate, seq FROM attachment WHERE thing = ? AND seq > ? ORDER BY seq LIMIT ?",
		[]any{thing, after[0], pg.rows(false)}, func(r *row) error {
			keep, err := pg.take(cursor(r.int(1)), true)
			if keep {
				ids = append(ids, r.text(0))
			}
			return err
		})
	return ids, pg.next, err
}
