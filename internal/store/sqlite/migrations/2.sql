-- From format 1 to 2.

-- Certificates: how they came here, what DescribeCertificate tells, ListCertificates by creation.
ALTER TABLE certificate ADD COLUMN mode TEXT NOT NULL DEFAULT 'DEFAULT';
ALTER TABLE certificate ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE certificate ADD COLUMN generation TEXT NOT NULL DEFAULT '';
ALTER TABLE certificate ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
UPDATE certificate SET updated = created, generation = lower(hex(randomblob(4)) || '-' || hex(randomblob(2))
  || '-4' || substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)));
CREATE INDEX certificate_created ON certificate (created);

-- Namespaces: of a job, of an effect, and in the key of the queue.
ALTER TABLE job ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE effect ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE pending RENAME TO pending_1;
CREATE TABLE pending (
  thing     INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  rank      INTEGER NOT NULL,
  queued    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  job       INTEGER NOT NULL,
  number    INTEGER NOT NULL,
  PRIMARY KEY (thing, namespace, rank, queued, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO pending SELECT thing, '', rank, queued, seq, job, number FROM pending_1;
DROP TABLE pending_1;

-- Device shadows.
CREATE TABLE shadow (
  thing    INTEGER NOT NULL,
  name     TEXT NOT NULL,
  version  INTEGER NOT NULL,
  changed  INTEGER NOT NULL,
  document BLOB,
  PRIMARY KEY (thing, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX shadow_deleted ON shadow (changed) WHERE document IS NULL;
-- Deleted things whose shadows are still to go.
CREATE TABLE shadow_gone (thing INTEGER PRIMARY KEY) STRICT;
