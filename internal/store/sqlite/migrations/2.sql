-- From format 1 to 2.

-- Certificates: how they came here, what DescribeCertificate tells, ListCertificates by creation.
ALTER TABLE certificate ADD COLUMN mode TEXT NOT NULL DEFAULT 'DEFAULT';
ALTER TABLE certificate ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE certificate ADD COLUMN generation TEXT NOT NULL DEFAULT '';
ALTER TABLE certificate ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
UPDATE certificate SET updated = created, generation = lower(hex(randomblob(4)) || '-' || hex(randomblob(2))
  || '-4' || substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)));
CREATE INDEX certificate_created ON certificate (created);
