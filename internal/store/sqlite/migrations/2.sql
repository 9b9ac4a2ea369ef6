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

-- Retries, rollouts that grow, CONTINUOUS jobs.
ALTER TABLE job ADD COLUMN retry_failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN retry_timed_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN retry_both INTEGER NOT NULL DEFAULT 0;
CREATE INDEX job_status ON job (status, selection);
ALTER TABLE execution ADD COLUMN retries_failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execution ADD COLUMN finished_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execution ADD COLUMN has_left INTEGER NOT NULL DEFAULT 0;
CREATE INDEX execution_left ON execution (job, thing) WHERE has_left <> 0;
ALTER TABLE expansion RENAME TO expansion_1;
CREATE TABLE expansion (
  job        INTEGER PRIMARY KEY,
  done       INTEGER NOT NULL,
  pin        INTEGER NOT NULL,
  target     INTEGER NOT NULL,
  after_key  INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  released   INTEGER NOT NULL,
  steps      INTEGER NOT NULL DEFAULT 0,   -- how often the rate has grown
  recent     TEXT NOT NULL DEFAULT ''      -- what the last minute had: "time:count" each, from the start, in milliseconds
) STRICT;
INSERT INTO expansion (job, done, pin, target, after_key, started, released, recent)
  SELECT job, done, pin, target, after_key, started, released, iif(in_second > 0, (second * 1000) || ':' || in_second, '') FROM expansion_1;
DROP TABLE expansion_1;
CREATE INDEX expansion_open ON expansion (pin) WHERE done = 0;
-- The groups that a CONTINUOUS job follows while it is active.
CREATE TABLE followed (
  grp INTEGER NOT NULL,
  job INTEGER NOT NULL,
  PRIMARY KEY (grp, job)
) STRICT, WITHOUT ROWID;
-- What has become of the things it follows, in the order it happened, until the
-- scheduler has done what follows from it. thing: it joined or left; grp: the
-- group was dissolved, and its things are walked from after on.
CREATE TABLE retarget (
  job    INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  thing  INTEGER NOT NULL,
  grp    INTEGER NOT NULL,
  joined INTEGER NOT NULL,
  after_key INTEGER NOT NULL,
  PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX retarget_group ON retarget (grp) WHERE grp <> 0;

-- The registry: thing types, hierarchies of groups, tags, event configurations.
ALTER TABLE thing ADD COLUMN type TEXT NOT NULL DEFAULT '';
CREATE INDEX thing_removing ON thing (key) WHERE deleted = 2;
CREATE INDEX thing_of_type ON thing (type, name) WHERE type <> '' AND deleted = 0;
CREATE TABLE thing_type (key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL,
  description TEXT NOT NULL, searchable TEXT NOT NULL, created INTEGER NOT NULL, deprecated INTEGER NOT NULL) STRICT;
CREATE TABLE tag (kind INTEGER NOT NULL, owner INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (kind, owner, name)) STRICT, WITHOUT ROWID;
CREATE TABLE event_configuration (one INTEGER PRIMARY KEY CHECK (one = 1), enabled INTEGER NOT NULL,
  created INTEGER NOT NULL, modified INTEGER NOT NULL) STRICT;
ALTER TABLE thing_group ADD COLUMN parent INTEGER NOT NULL DEFAULT 0;
CREATE INDEX thing_group_parent ON thing_group (parent, name);
CREATE TABLE group_path (grp INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO group_path (grp, path) SELECT key, '/' || key || '/' FROM thing_group UNION SELECT grp, '/' || grp || '/' FROM dissolved;
CREATE INDEX membership_was ON membership (thing, grp) WHERE left_at <> 0;
ALTER TABLE expansion ADD COLUMN walked INTEGER NOT NULL DEFAULT 0;
UPDATE expansion SET after_key = 0 WHERE done = 0; -- the walk of the target begins anew, and passes over those that have the job
CREATE TABLE event_message (seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body BLOB NOT NULL) STRICT;
