package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
)

var certificates = []check{
	{"a certificate is kept as it was put, and only its status changes", certificatesAreKept},
	{"a certificate that was deleted is gone", deletedCertificate},
	{"certificates are listed by creation, from both ends, in pages", listCertificates},
	{"attachments are listed by thing and by certificate", listAttachments},
	{"attaching is idempotent, keeps its place and takes the last kind", attachAgain},
	{"a deleted thing is attached to nothing", deletedThingIsDetached},
}

func (w *world) certificate(id string) registry.Certificate {
	return registry.Certificate{
		ID: id, PEM: "pem of " + id, NotBefore: w.now(), NotAfter: w.now().Add(far),
	}.Recorded(registry.Active, registry.ModeSNIOnly, "generation of "+id, w.now())
}

func (w *world) put(certificates ...registry.Certificate) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		for _, c := range certificates {
			if err := tx.PutCertificate(c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) attach(certificate string, thing int64, exclusive bool) {
	w.Helper()
	w.update(func(tx store.Tx) error { return tx.Attach(certificate, thing, exclusive) })
}

func certificatesAreKept(t *testing.T, w *world) {
	aa, bb := w.certificate("aa"), w.certificate("bb")
	w.put(aa, bb)
	w.advance(time.Minute)
	var err error
	if bb, err = bb.SetStatus(registry.Revoked, w.now()); err != nil {
		t.Fatal(err)
	}
	other := bb
	other.PEM, other.Mode, other.Generation, other.CreatedAt, other.NotAfter = "x", registry.ModeDefault, "x", w.now(), w.now()
	w.put(other) // of this only the status, the version and the time count
	w.reopen()
	w.view(func(tx store.Tx) error {
		for _, want := range []registry.Certificate{aa, bb} {
			got, err := tx.Certificate(want.ID)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v %s", want.ID, err, diff)
			}
		}
		_, none := tx.Certificate("cc")
		w.missing("a certificate that is not there", none)
		return nil
	})
}

func deletedCertificate(t *testing.T, w *world) {
	w.put(w.certificate("aa"), w.certificate("bb"))
	w.update(func(tx store.Tx) error { return tx.DeleteCertificate("aa") })
	w.missing("deleting it again", w.Update(ctx, func(tx store.Tx) error { return tx.DeleteCertificate("aa") }))
	w.view(func(tx store.Tx) error {
		_, none := tx.Certificate("aa")
		w.missing("a deleted certificate", none)
		left, _, err := tx.Certificates(true, store.Page{Limit: 9})
		if len(left) != 1 || left[0].ID != "bb" {
			t.Errorf("listed after that: %v", left)
		}
		return err
	})
	w.put(w.certificate("aa")) // and may be registered again
}

func listCertificates(t *testing.T, w *world) {
	var want []string
	for i := range 11 {
		c := w.certificate(fmt.Sprintf("%02x.%d", 97*i%256, i)) // ids are in no order
		w.put(c)
		want = append(want, c.ID)
		w.advance(time.Millisecond)
	}
	same := []registry.Certificate{w.certificate("y"), w.certificate("x")} // in one millisecond: by id
	w.put(same...)
	want = append(want, "x", "y")
	for _, ascending := range []bool{true, false} {
		for limit := 1; limit < 15; limit++ {
			var got []string
			w.view(func(tx store.Tx) error {
				for p := (store.Page{Limit: limit}); ; {
					page, next, err := tx.Certificates(ascending, p)
					for _, c := range page {
						got = append(got, c.ID)
						if c.PEM != "" {
							t.Errorf("%s comes with its PEM", c.ID)
						}
						if full, err := tx.Certificate(c.ID); err != nil || full.Generation != c.Generation || full.Status != c.Status {
							t.Errorf("listed %+v, alone %+v (%v)", c, full, err)
						}
					}
					if p.After = next; err != nil || next == "" {
						return err
					}
				}
			})
			if !slices.Equal(got, want) {
				t.Errorf("ascending %t, pages of %d: %v, want %v", ascending, limit, got, want)
			}
		}
		slices.Reverse(want)
	}
}

// attached is what both lists say, each read in pages of one.
func (w *world) attached(certificate string, thing int64, f store.AttachmentFilter) (ofThing, ofCertificate []registry.Attachment) {
	w.Helper()
	w.view(func(tx store.Tx) (err error) {
		one := func(p store.Page) store.Page { p.Limit = 1; return p }
		ofThing, err = all(func(p store.Page) ([]registry.Attachment, string, error) {
			return tx.CertificatesOfThing(thing, f, one(p))
		})
		if err == nil {
			ofCertificate, err = all(func(p store.Page) ([]registry.Attachment, string, error) {
				return tx.ThingsOfCertificate(certificate, f, one(p))
			})
		}
		return err
	})
	return ofThing, ofCertificate
}

func listAttachments(t *testing.T, w *world) {
	valve, pump := w.thing("valve"), w.thing("pump")
	w.put(w.certificate("aa"), w.certificate("bb"), w.certificate("cc"))
	w.attach("bb", pump, true)
	w.attach("aa", pump, false)
	w.attach("aa", valve, false)
	w.attach("cc", valve, false)
	yes, no := true, false
	bbPump, aaPump, aaValve := registry.Attachment{Certificate: "bb", Thing: "pump", Exclusive: true},
		registry.Attachment{Certificate: "aa", Thing: "pump"}, registry.Attachment{Certificate: "aa", Thing: "valve"}
	for _, row := range []struct {
		name                   string
		f                      store.AttachmentFilter
		ofThing, ofCertificate []registry.Attachment
	}{
		{"all", store.AttachmentFilter{}, []registry.Attachment{bbPump, aaPump}, []registry.Attachment{aaValve, aaPump}},
		{"exclusive", store.AttachmentFilter{Exclusive: &yes}, []registry.Attachment{bbPump}, nil},
		{"not exclusive", store.AttachmentFilter{Exclusive: &no}, []registry.Attachment{aaPump}, []registry.Attachment{aaValve, aaPump}},
	} {
		ofThing, ofCertificate := w.attached("aa", pump, row.f)
		if diff := cmp.Diff(row.ofThing, ofThing); diff != "" {
			t.Errorf("%s, of the thing, by attachment: %s", row.name, diff)
		}
		if diff := cmp.Diff(row.ofCertificate, ofCertificate); diff != "" {
			t.Errorf("%s, of the certificate, by registration of the thing: %s", row.name, diff)
		}
	}
	if ofThing, ofCertificate := w.attached("nobody", 4711, store.AttachmentFilter{}); len(ofThing)+len(ofCertificate) > 0 {
		t.Errorf("of what is not there: %v, %v", ofThing, ofCertificate)
	}
	for _, want := range []bool{true, false} { // the second time there is nothing to detach
		w.update(func(tx store.Tx) error {
			was, err := tx.Detach("aa", valve)
			if was != want {
				t.Errorf("detached: %t, want %t", was, want)
			}
			return err
		})
	}
	if _, ofCertificate := w.attached("aa", pump, store.AttachmentFilter{}); !slices.Equal(ofCertificate, []registry.Attachment{aaPump}) {
		t.Errorf("after that: %v", ofCertificate)
	}
}

func attachAgain(t *testing.T, w *world) {
	pump := w.thing("pump")
	w.put(w.certificate("aa"), w.certificate("bb"))
	w.attach("bb", pump, false)
	w.attach("aa", pump, false)
	w.attach("bb", pump, true)
	w.reopen()
	ofThing, _ := w.attached("bb", pump, store.AttachmentFilter{})
	want := []registry.Attachment{{Certificate: "bb", Thing: "pump", Exclusive: true}, {Certificate: "aa", Thing: "pump"}}
	if diff := cmp.Diff(want, ofThing); diff != "" {
		t.Error(diff)
	}
	w.missing("attaching a certificate that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.Attach("cc", pump, false) }))
	w.missing("attaching to a thing that is not there", w.Update(ctx, func(tx store.Tx) error { return tx.Attach("aa", pump+100, false) }))
}

func deletedThingIsDetached(t *testing.T, w *world) {
	pump, valve := w.thing("pump"), w.thing("valve")
	w.put(w.certificate("aa"))
	w.attach("aa", pump, false)
	w.attach("aa", valve, false)
	w.enqueue(w.job("fw", 0), "pump") // so that the thing's row stays
	w.update(func(tx store.Tx) error { return tx.DeleteThing(pump) })
	ofThing, ofCertificate := w.attached("aa", pump, store.AttachmentFilter{})
	if len(ofThing) > 0 || !slices.Equal(ofCertificate, []registry.Attachment{{Certificate: "aa", Thing: "valve"}}) {
		t.Errorf("attached: %v, %v", ofThing, ofCertificate)
	}
	w.missing("attaching to a deleted thing", w.Update(ctx, func(tx store.Tx) error { return tx.Attach("aa", pump, false) }))
}
