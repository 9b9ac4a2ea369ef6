package ops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// keys makes a certificate and gives its id.
func (p *plane) keys(active bool) string {
	p.t.Helper()
	return ok[*iot.CreateKeysAndCertificateOutput](p.t)(p.CreateKeysAndCertificate(ctx, operator, &iot.CreateKeysAndCertificateInput{SetAsActive: active})).CertificateID
}

func (p *plane) cert(id string) *iot.CertificateDescription {
	p.t.Helper()
	return ok[*iot.DescribeCertificateOutput](p.t)(p.DescribeCertificate(ctx, operator, &iot.DescribeCertificateInput{CertificateID: id})).CertificateDescription
}

func (p *plane) setStatus(id string, s registry.CertificateStatus) error {
	_, err := p.UpdateCertificate(ctx, operator, &iot.UpdateCertificateInput{CertificateID: id, NewStatus: s})
	return err
}

func (p *plane) deleteCertificate(id string, force bool) error {
	_, err := p.DeleteCertificate(ctx, operator, &iot.DeleteCertificateInput{CertificateID: id, ForceDelete: force})
	return err
}

func (p *plane) attach(thing registry.Name, id string, kind iot.ThingPrincipalType) error {
	_, err := p.AttachThingPrincipal(ctx, operator, &iot.AttachThingPrincipalInput{ThingName: thing, Principal: arns + "cert/" + id, ThingPrincipalType: kind})
	return err
}

func (p *plane) detach(thing registry.Name, id string) error {
	_, err := p.DetachThingPrincipal(ctx, operator, &iot.DetachThingPrincipalInput{ThingName: thing, Principal: arns + "cert/" + id})
	return err
}

func TestCertificatesAreMadeOfNewKeysOrOfARequest(t *testing.T) {
	p := newPlane(t)
	one := ok[*iot.CreateKeysAndCertificateOutput](t)(p.CreateKeysAndCertificate(ctx, operator, &iot.CreateKeysAndCertificateInput{SetAsActive: true}))
	if one.CertificateARN != arns+"cert/"+one.CertificateID || one.CertificatePEM != "pem "+one.CertificateID || one.KeyPair.PrivateKey == "" || one.KeyPair.PublicKey == "" {
		t.Errorf("got %+v", one)
	}
	request := &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: "request"}
	two := ok[*iot.CreateCertificateFromCsrOutput](t)(p.CreateCertificateFromCsr(ctx, operator, request))
	if two.CertificateARN != arns+"cert/"+two.CertificateID || two.CertificatePEM != "pem "+two.CertificateID || two.CertificateID == one.CertificateID {
		t.Errorf("got %+v", two)
	}
	request.SetAsActive = true
	three := ok[*iot.CreateCertificateFromCsrOutput](t)(p.CreateCertificateFromCsr(ctx, operator, request))
	if three.CertificateID == two.CertificateID {
		t.Error("the same request again gives the same certificate")
	}
	for id, want := range map[string]registry.CertificateStatus{one.CertificateID: "ACTIVE", two.CertificateID: "INACTIVE", three.CertificateID: "ACTIVE"} {
		if got := p.cert(id); got.Status != want || got.CertificateMode != "DEFAULT" {
			t.Errorf("%s is %s, %s; want %s, DEFAULT", id, got.Status, got.CertificateMode, want)
		}
	}
	_, err := p.CreateCertificateFromCsr(ctx, operator, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: "forged"})
	refused(t, err, job.InvalidRequest)
}

func TestACertificateIsRegisteredWithoutItsCA(t *testing.T) {
	p := newPlane(t)
	register := func(pem string, s registry.CertificateStatus) (*iot.RegisterCertificateWithoutCAOutput, error) {
		return p.RegisterCertificateWithoutCA(ctx, operator, &iot.RegisterCertificateWithoutCAInput{CertificatePEM: pem, Status: s})
	}
	for given, want := range map[registry.CertificateStatus]registry.CertificateStatus{"": "INACTIVE", "ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE", "REVOKED": "REVOKED"} {
		id := "x" + strings.ToLower(string(given))
		out := ok[*iot.RegisterCertificateWithoutCAOutput](t)(register("pem "+id, given))
		if out.CertificateID != id || out.CertificateARN != arns+"cert/"+id {
			t.Errorf("got %+v", out)
		}
		if got := p.cert(id); got.Status != want || got.CertificateMode != "SNI_ONLY" || got.CertificatePEM != "pem "+id {
			t.Errorf("status %q made %+v", given, got)
		}
	}
	_, err := register("pem xactive", "INACTIVE")
	if e := refused(t, err, job.AlreadyExists); e.Resource == nil || *e.Resource != (job.Resource{ID: "xactive", ARN: arns + "cert/xactive"}) {
		t.Errorf("it names %+v", e.Resource)
	}
	if p.cert("xactive").Status != "ACTIVE" {
		t.Error("a refused registration has changed what was there")
	}
	_, err = register("not a certificate", "ACTIVE")
	refused(t, err, job.CertificateValidation)
	for _, s := range []registry.CertificateStatus{"PENDING_TRANSFER", "PENDING_ACTIVATION", "REGISTER_INACTIVE"} {
		_, err = register("pem y", s)
		refused(t, err, job.InvalidRequest)
	}
}

func TestADescribedCertificate(t *testing.T) {
	p := newPlane(t)
	id := p.keys(true)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	created := p.now()
	got := p.cert(strings.ToUpper(id))
	want := &iot.CertificateDescription{
		CertificateARN: arns + "cert/" + id, CertificateID: id, Status: "ACTIVE", CertificatePEM: "pem " + id, OwnedBy: "123456789012",
		CreationDate: created, LastModifiedDate: created, CustomerVersion: 1, TransferData: &iot.TransferData{}, GenerationID: got.GenerationID,
		Validity: &iot.CertificateValidity{NotBefore: from, NotAfter: from.AddDate(20, 0, 0)}, CertificateMode: "DEFAULT",
	}
	if diff := cmp.Diff(want, got); diff != "" || got.GenerationID == "" {
		t.Errorf("generation %q: %s", got.GenerationID, diff)
	}
	p.advance(time.Hour)
	if err := p.setStatus(id, "INACTIVE"); err != nil {
		t.Fatal(err)
	}
	want.Status, want.LastModifiedDate, want.CustomerVersion = "INACTIVE", created.Add(time.Hour), 2
	if diff := cmp.Diff(want, p.cert(id)); diff != "" {
		t.Error(diff)
	}
	_, err := p.DescribeCertificate(ctx, operator, &iot.DescribeCertificateInput{CertificateID: "unknown"})
	refused(t, err, job.NotFound)
}

func TestTheStatusOfACertificateIsChanged(t *testing.T) {
	p := newPlane(t)
	id := p.keys(false)
	p.changed()
	for _, row := range []struct {
		to      registry.CertificateStatus
		refused job.Code
		version int64
		told    []string
	}{
		{"ACTIVE", 0, 2, []string{id}},
		{"ACTIVE", 0, 2, []string{id}}, // idempotent
		{"INACTIVE", 0, 3, []string{id + " less"}},
		{"ACTIVE", 0, 4, []string{id}},
		{"PENDING_TRANSFER", job.InvalidRequest, 4, nil},
		{"PENDING_ACTIVATION", job.InvalidRequest, 4, nil},
		{"REGISTER_INACTIVE", job.InvalidRequest, 4, nil},
		{"REVOKED", 0, 5, []string{id + " less"}},
		{"REVOKED", 0, 5, []string{id + " less"}},
		{"ACTIVE", job.CertificateState, 5, nil}, // for good
		{"INACTIVE", job.CertificateState, 5, nil},
	} {
		err := p.setStatus(id, row.to)
		if row.refused != 0 {
			refused(t, err, row.refused)
		} else if err != nil {
			t.Fatal(err)
		}
		if got := p.cert(id); got.CustomerVersion != row.version || row.refused == 0 && got.Status != row.to {
			t.Errorf("after %s: %s, version %d", row.to, got.Status, got.CustomerVersion)
		}
		if told := p.changed(); !slices.Equal(told, row.told) {
			t.Errorf("after %s: %q was told, want %q", row.to, told, row.told)
		}
	}
	refused(t, p.setStatus("unknown", "ACTIVE"), job.NotFound)
}

// registry-and-auth.md E.2, Delete.
func TestACertificateIsDeletedOnceItIsNotInUse(t *testing.T) {
	for _, force := range []bool{false, true} {
		p := newPlane(t)
		p.things("pump")
		id := p.keys(true)
		if err := p.attach("pump", id, ""); err != nil {
			t.Fatal(err)
		}
		e := refused(t, p.deleteCertificate(id, force), job.CertificateState)
		if !strings.HasPrefix(e.Message, "Certificate must be deactivated (not ACTIVE) before deletion.") {
			t.Errorf("while it is ACTIVE: %q", e.Message)
		}
		if err := p.setStatus(id, "INACTIVE"); err != nil {
			t.Fatal(err)
		}
		refused(t, p.deleteCertificate(id, force), job.DeleteConflict)
		if err := p.detach("pump", id); err != nil {
			t.Fatal(err)
		}
		p.changed()
		if err := p.deleteCertificate(id, force); err != nil {
			t.Fatal(err)
		}
		if told := p.changed(); !slices.Equal(told, []string{id + " less"}) {
			t.Errorf("%q was told", told)
		}
		refused(t, p.deleteCertificate(id, force), job.NotFound)
		_, err := p.DescribeCertificate(ctx, operator, &iot.DescribeCertificateInput{CertificateID: id})
		refused(t, err, job.NotFound)
	}
}

func TestCertificatesAreListedByCreationFromBothEnds(t *testing.T) {
	p := newPlane(t)
	if out := ok[*iot.ListCertificatesOutput](t)(p.ListCertificates(ctx, operator, &iot.ListCertificatesInput{})); out.Certificates == nil || len(out.Certificates) > 0 || out.NextMarker != "" {
		t.Errorf("of none: %+v", out)
	}
	var made []string
	for i := range 30 {
		id := fmt.Sprintf("%02x", (i*83)%256)
		ok[*iot.RegisterCertificateWithoutCAOutput](t)(p.RegisterCertificateWithoutCA(ctx, operator, &iot.RegisterCertificateWithoutCAInput{CertificatePEM: "pem " + id}))
		made = append(made, id)
		p.advance(time.Second)
	}
	list := func(in iot.ListCertificatesInput) *iot.ListCertificatesOutput {
		t.Helper()
		return ok[*iot.ListCertificatesOutput](t)(p.ListCertificates(ctx, operator, &in))
	}
	for _, ascending := range []bool{true, false} {
		want := slices.Clone(made)
		if !ascending {
			slices.Reverse(want)
		}
		in := iot.ListCertificatesInput{AscendingOrder: ascending, PageSize: ptr(int64(7))}
		var got []string
		markers := map[string]bool{}
		for {
			out := list(in)
			for _, c := range out.Certificates {
				got = append(got, c.CertificateID)
				if c.CertificateARN != arns+"cert/"+c.CertificateID || c.Status != "INACTIVE" || c.CertificateMode != "SNI_ONLY" || c.CreationDate.IsZero() {
					t.Errorf("listed as %+v", c)
				}
			}
			if in.Marker = out.NextMarker; in.Marker == "" {
				break
			}
			if markers[in.Marker] || strings.Trim(in.Marker, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != "" {
				t.Errorf("marker %q: want each once, in plain base64", in.Marker)
			}
			markers[in.Marker] = true
		}
		if !slices.Equal(got, want) {
			t.Errorf("ascending %t: %q, want %q", ascending, got, want)
		}
	}
	first := list(iot.ListCertificatesInput{})
	if len(first.Certificates) != 25 {
		t.Errorf("a page has %d certificates when no size is given, want 25", len(first.Certificates))
	}
	for _, in := range []iot.ListCertificatesInput{
		{Marker: first.NextMarker, AscendingOrder: true}, {Marker: "AAAA"}, {Marker: "!"},
	} {
		_, err := p.ListCertificates(ctx, operator, &in)
		if e := refused(t, err, job.InvalidRequest); !strings.HasPrefix(e.Message, "marker") {
			t.Errorf("the message speaks of another member: %s", e.Message)
		}
	}
}

func TestWithoutACertificateAuthorityNoCertificatesAreMade(t *testing.T) {
	p := newPlane(t, func(c *ops.Config) { c.Issuer = nil })
	_, err := p.CreateKeysAndCertificate(ctx, operator, &iot.CreateKeysAndCertificateInput{})
	refused(t, err, job.Unavailable)
	_, err = p.CreateCertificateFromCsr(ctx, operator, &iot.CreateCertificateFromCsrInput{})
	refused(t, err, job.Unavailable)
	_, err = p.RegisterCertificateWithoutCA(ctx, operator, &iot.RegisterCertificateWithoutCAInput{})
	refused(t, err, job.Unavailable)
}

func TestPrincipalsOfAThing(t *testing.T) {
	p := newPlane(t)
	p.things("pump")
	one, two := p.keys(true), p.keys(false)
	p.changed()
	for _, id := range []string{two, one, two} { // attaching again is no error
		if err := p.attach("pump", id, ""); err != nil {
			t.Fatal(err)
		}
	}
	if told := p.changed(); !slices.Equal(told, []string{two, one, two}) {
		t.Errorf("%q was told, want those that were attached, and no other", told)
	}
	list := ok[*iot.ListThingPrincipalsOutput](t)(p.ListThingPrincipals(ctx, operator, &iot.ListThingPrincipalsInput{ThingName: "pump"}))
	if !slices.Equal(list.Principals, []string{arns + "cert/" + two, arns + "cert/" + one}) {
		t.Errorf("principals: %v, want the order of their attachment", list.Principals)
	}
	page := ok[*iot.ListThingPrincipalsOutput](t)(p.ListThingPrincipals(ctx, operator, &iot.ListThingPrincipalsInput{ThingName: "pump", MaxResults: ptr(int64(1))}))
	page = ok[*iot.ListThingPrincipalsOutput](t)(p.ListThingPrincipals(ctx, operator, &iot.ListThingPrincipalsInput{ThingName: "pump", NextToken: page.NextToken}))
	if !slices.Equal(page.Principals, []string{arns + "cert/" + one}) || page.NextToken != "" {
		t.Errorf("the second page: %+v", page)
	}
	refused(t, p.attach("nobody", one, ""), job.NotFound)
	refused(t, p.attach("pump", "unknown", ""), job.NotFound)
	for _, principal := range []string{arns + "thing/pump", "not an arn", "us-east-1:cognito-id"} {
		_, err := p.AttachThingPrincipal(ctx, operator, &iot.AttachThingPrincipalInput{ThingName: "pump", Principal: principal})
		refused(t, err, job.InvalidRequest)
		_, err = p.DetachThingPrincipal(ctx, operator, &iot.DetachThingPrincipalInput{ThingName: "pump", Principal: principal})
		refused(t, err, job.InvalidRequest)
		_, err = p.ListPrincipalThings(ctx, operator, &iot.ListPrincipalThingsInput{Principal: principal})
		refused(t, err, job.InvalidRequest)
	}
	_, err := p.ListThingPrincipals(ctx, operator, &iot.ListThingPrincipalsInput{ThingName: "nobody"})
	refused(t, err, job.NotFound)
	_, err = p.ListThingPrincipalsV2(ctx, operator, &iot.ListThingPrincipalsV2Input{ThingName: "nobody"})
	refused(t, err, job.NotFound)
	_, err = p.ListPrincipalThings(ctx, operator, &iot.ListPrincipalThingsInput{Principal: arns + "cert/unknown"})
	refused(t, err, job.NotFound)
	_, err = p.ListPrincipalThingsV2(ctx, operator, &iot.ListPrincipalThingsV2Input{Principal: arns + "cert/unknown"})
	refused(t, err, job.NotFound)
}

func TestDetachingAPrincipal(t *testing.T) {
	p := newPlane(t)
	p.things("pump", "valve")
	id := p.keys(true)
	for _, name := range []registry.Name{"pump", "valve"} {
		if err := p.attach(name, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	p.changed()
	if err := p.detach("pump", id); err != nil {
		t.Fatal(err)
	}
	if told := p.changed(); !slices.Equal(told, []string{id + " less"}) {
		t.Errorf("%q was told", told)
	}
	if err := p.detach("pump", id); err != nil || len(p.changed()) > 0 {
		t.Errorf("what is not attached: %v, want a success that ends nothing", err)
	}
	left := ok[*iot.ListPrincipalThingsOutput](t)(p.ListPrincipalThings(ctx, operator, &iot.ListPrincipalThingsInput{Principal: arns + "cert/" + id}))
	if !slices.Equal(left.Things, []registry.Name{"valve"}) {
		t.Errorf("left: %v", left.Things)
	}
	refused(t, p.detach("nobody", id), job.NotFound)
	refused(t, p.detach("pump", "unknown"), job.NotFound)
	_, err := p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "valve"})
	refused(t, err, job.InvalidRequest)
	ok[*iot.DeleteThingOutput](t)(p.DeleteThing(ctx, operator, &iot.DeleteThingInput{ThingName: "pump"}))
}

// registry-and-auth.md E.2: EXCLUSIVE_THING, the principal may be on that thing only.
func TestAnExclusivePrincipalIsOnOneThingOnly(t *testing.T) {
	p := newPlane(t)
	p.things("pump", "valve")
	one, two := p.keys(true), p.keys(true)
	const exclusive, shared = iot.ExclusiveThing, iot.NonExclusiveThing
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(p.attach("pump", one, exclusive))
	must(p.attach("pump", one, exclusive))
	must(p.attach("pump", two, shared)) // the thing may have other principals
	refused(t, p.attach("valve", one, exclusive), job.InvalidRequest)
	refused(t, p.attach("valve", one, ""), job.InvalidRequest)
	must(p.attach("valve", two, ""))
	refused(t, p.attach("valve", two, exclusive), job.InvalidRequest)

	ofPump := func(kind iot.ThingPrincipalType) (got []string) {
		for token := ""; ; {
			out := ok[*iot.ListThingPrincipalsV2Output](t)(p.ListThingPrincipalsV2(ctx, operator, &iot.ListThingPrincipalsV2Input{
				ThingName: "pump", ThingPrincipalType: kind, MaxResults: ptr(int64(1)), NextToken: token,
			}))
			for _, o := range out.ThingPrincipalObjects {
				got = append(got, strings.TrimPrefix(o.Principal, arns+"cert/")+" "+string(o.ThingPrincipalType))
			}
			if token = out.NextToken; token == "" {
				return got
			}
		}
	}
	ofTwo := func(kind iot.ThingPrincipalType) (got []string) {
		for token := ""; ; {
			out := ok[*iot.ListPrincipalThingsV2Output](t)(p.ListPrincipalThingsV2(ctx, operator, &iot.ListPrincipalThingsV2Input{
				Principal: arns + "cert/" + two, ThingPrincipalType: kind, MaxResults: ptr(int64(1)), NextToken: token,
			}))
			for _, o := range out.PrincipalThingObjects {
				got = append(got, string(o.ThingName)+" "+string(o.ThingPrincipalType))
			}
			if token = out.NextToken; token == "" {
				return got
			}
		}
	}
	for _, row := range []struct {
		name      string
		got, want []string
	}{
		{"principals of the thing", ofPump(""), []string{one + " EXCLUSIVE_THING", two + " NON_EXCLUSIVE_THING"}},
		{"exclusive ones", ofPump(exclusive), []string{one + " EXCLUSIVE_THING"}},
		{"the others", ofPump(shared), []string{two + " NON_EXCLUSIVE_THING"}},
		{"things of the principal", ofTwo(""), []string{"pump NON_EXCLUSIVE_THING", "valve NON_EXCLUSIVE_THING"}},
		{"not exclusive", ofTwo(shared), []string{"pump NON_EXCLUSIVE_THING", "valve NON_EXCLUSIVE_THING"}},
		{"exclusive", ofTwo(exclusive), nil},
	} {
		if !slices.Equal(row.got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, row.got, row.want)
		}
	}

	must(p.attach("pump", one, "")) // the type of the last call counts
	must(p.attach("valve", one, ""))
	must(p.detach("pump", two))
	must(p.attach("valve", two, exclusive))
	_, err := p.ListThingPrincipalsV2(ctx, operator, &iot.ListThingPrincipalsV2Input{ThingName: "pump", NextToken: "AAAA"})
	refused(t, err, job.InvalidRequest)
	_, err = p.ListPrincipalThings(ctx, operator, &iot.ListPrincipalThingsInput{Principal: arns + "cert/" + one, NextToken: "AAAA"})
	refused(t, err, job.InvalidRequest)
}
