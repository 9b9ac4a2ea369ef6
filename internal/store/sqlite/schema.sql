-- Schema of a Drover data folder, format 2. Times are epoch milliseconds, 0 is unset.
-- A change goes here, for a fresh folder, and into migrations/, for one that is there.
-- The clustered keys and the few indexes are the ones that measurement asked for:
-- a progress report rewrites one row of execution and appends one of event.

CREATE TABLE thing (
  key        INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT NOT NULL,
  uuid       TEXT NOT NULL,
  attributes TEXT NOT NULL,
  version    INTEGER NOT NULL,
  created    INTEGER NOT NULL,
  deleted    INTEGER NOT NULL DEFAULT 0,  -- kept, nameless among the living, while executions name it; 2: with pending ones
  type       TEXT NOT NULL DEFAULT ''     -- name of its thing type
) STRICT;
CREATE UNIQUE INDEX thing_name ON thing (name) WHERE deleted = 0;
CREATE INDEX thing_removing ON thing (key) WHERE deleted = 2;
CREATE INDEX thing_of_type ON thing (type, name) WHERE type <> '' AND deleted = 0;

CREATE TABLE thing_type (
  key         INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL UNIQUE,
  uuid        TEXT NOT NULL,
  description TEXT NOT NULL,
  searchable  TEXT NOT NULL,              -- JSON list
  created     INTEGER NOT NULL,
  deprecated  INTEGER NOT NULL
) STRICT;

-- kind: registry.TaggedKind; owner: the key of the job, group or type.
CREATE TABLE tag (
  kind  INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  name  TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (kind, owner, name)
) STRICT, WITHOUT ROWID;

-- Which events are told: one row, or none as long as nobody has said so.
CREATE TABLE event_configuration (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  enabled  INTEGER NOT NULL,              -- bits of registry.EventType
  created  INTEGER NOT NULL,
  modified INTEGER NOT NULL
) STRICT;

CREATE TABLE thing_group (
  key         INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL UNIQUE,
  uuid        TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  attributes  TEXT NOT NULL,
  version     INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  parent      INTEGER NOT NULL DEFAULT 0  -- 0: it is a root
) STRICT;
CREATE INDEX thing_group_parent ON thing_group (parent, name);
-- Where a group is in its hierarchy: the keys from the root down to itself, each
-- between slashes, so that a subtree is a range. Kept as long as memberships are.
CREATE TABLE group_path (
  grp  INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE
) STRICT;

-- joined and left_at are membership sequence numbers (left_at 0: still a member).
-- The thing's name is repeated for the order of ThingsInGroup.
CREATE TABLE membership (
  grp     INTEGER NOT NULL,
  thing   INTEGER NOT NULL,
  joined  INTEGER NOT NULL,
  left_at INTEGER NOT NULL DEFAULT 0,
  name    TEXT NOT NULL,
  PRIMARY KEY (grp, thing, joined)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX membership_name ON membership (grp, name) WHERE left_at = 0;
CREATE INDEX membership_thing ON membership (thing, grp) WHERE left_at = 0;
-- What only an expansion under way may still walk: pruned when there is none.
CREATE INDEX membership_left ON membership (left_at) WHERE left_at <> 0;
CREATE INDEX membership_was ON membership (thing, grp) WHERE left_at <> 0;
CREATE TABLE dissolved (grp INTEGER PRIMARY KEY) STRICT;  -- deleted groups whose memberships remain

CREATE TABLE certificate (
  id         TEXT PRIMARY KEY,
  pem        TEXT NOT NULL,
  status     TEXT NOT NULL,
  created    INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  not_after  INTEGER NOT NULL,
  mode       TEXT NOT NULL DEFAULT 'DEFAULT',
  version    INTEGER NOT NULL DEFAULT 1,
  generation TEXT NOT NULL DEFAULT '',
  updated    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_created ON certificate (created);
CREATE TABLE attachment (
  thing       INTEGER NOT NULL,
  certificate TEXT NOT NULL,
  seq         INTEGER NOT NULL,
  exclusive   INTEGER NOT NULL,
  PRIMARY KEY (thing, certificate)
) STRICT, WITHOUT ROWID;
CREATE INDEX attachment_certificate ON attachment (certificate);

-- Monotonic numbers: 'membership', 'queue', 'attachment'.
CREATE TABLE sequence (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
  key                 INTEGER PRIMARY KEY AUTOINCREMENT,
  id                  TEXT NOT NULL UNIQUE,
  status              INTEGER NOT NULL,
  force_canceled      INTEGER NOT NULL,
  changed             INTEGER NOT NULL,
  in_progress_minutes INTEGER NOT NULL,
  selection           INTEGER NOT NULL,
  created             INTEGER NOT NULL,
  last_updated        INTEGER NOT NULL,
  completed           INTEGER NOT NULL,
  rest                TEXT NOT NULL,      -- JSON: description, targets, cancellation, rollout, abort, retry, actor
  namespace           TEXT NOT NULL DEFAULT '',
  retry_failed        INTEGER NOT NULL DEFAULT 0,   -- retries that each thing may have: for FAILED,
  retry_timed_out     INTEGER NOT NULL DEFAULT 0,   -- for TIMED_OUT,
  retry_both          INTEGER NOT NULL DEFAULT 0    -- or for both together
) STRICT;
CREATE INDEX job_status ON job (status, selection);
CREATE TABLE job_target (
  target TEXT NOT NULL,
  job    INTEGER NOT NULL,
  PRIMARY KEY (target, job)
) STRICT, WITHOUT ROWID;
-- How far a job's targets have become executions; rewritten with every slice.
CREATE TABLE expansion (
  job        INTEGER PRIMARY KEY,
  done       INTEGER NOT NULL,
  pin        INTEGER NOT NULL,
  target     INTEGER NOT NULL,
  after_key  INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  released   INTEGER NOT NULL,
  steps      INTEGER NOT NULL DEFAULT 0,   -- how often the rate has grown
  recent     TEXT NOT NULL DEFAULT '',     -- what the last minute had: "time:count" each, from the start, in milliseconds
  walked     INTEGER NOT NULL DEFAULT 0    -- group that after_key is in: the target, or one below it
) STRICT;
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
CREATE INDEX expansion_open ON expansion (pin) WHERE done = 0;
CREATE TABLE document (
  job  INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE tally (
  job        INTEGER PRIMARY KEY,
  queued     INTEGER NOT NULL DEFAULT 0, in_progress INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0,
  failed     INTEGER NOT NULL DEFAULT 0, timed_out   INTEGER NOT NULL DEFAULT 0, rejected  INTEGER NOT NULL DEFAULT 0,
  removed    INTEGER NOT NULL DEFAULT 0, canceled    INTEGER NOT NULL DEFAULT 0,
  finished_succeeded INTEGER NOT NULL DEFAULT 0, finished_failed   INTEGER NOT NULL DEFAULT 0,
  finished_timed_out INTEGER NOT NULL DEFAULT 0, finished_rejected INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Jobs that want attention: at 0 at once.
CREATE TABLE job_due (
  job INTEGER PRIMARY KEY,
  at  INTEGER NOT NULL
) STRICT;
CREATE INDEX job_due_at ON job_due (at);

CREATE TABLE execution (
  thing         INTEGER NOT NULL,
  job           INTEGER NOT NULL,
  number        INTEGER NOT NULL,
  seq           INTEGER NOT NULL,
  status        INTEGER NOT NULL,
  version       INTEGER NOT NULL,
  queued        INTEGER NOT NULL,
  started       INTEGER NOT NULL,
  last_updated  INTEGER NOT NULL,
  in_progress_deadline INTEGER NOT NULL,
  step_deadline INTEGER NOT NULL,
  due           INTEGER,                  -- the earlier deadline while a timer runs
  force_canceled INTEGER NOT NULL,
  retry         INTEGER NOT NULL,
  last_event    INTEGER NOT NULL,
  details       BLOB,                     -- JSON object, NULL when empty
  retries_failed  INTEGER NOT NULL DEFAULT 0, -- how many of the retries for FAILED
  finished_before INTEGER NOT NULL DEFAULT 0, -- status of the latest finished attempt before
  has_left        INTEGER NOT NULL DEFAULT 0, -- its thing is no target any more
  PRIMARY KEY (thing, job, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX execution_by_job ON execution (job, thing, number DESC);
CREATE INDEX execution_by_seq ON execution (thing, seq);
CREATE INDEX execution_due ON execution (due) WHERE due IS NOT NULL;
CREATE INDEX execution_left ON execution (job, thing) WHERE has_left <> 0;

-- The queue: one row for each stored QUEUED or IN_PROGRESS execution, touched
-- when it is queued, starts or ends. rank 0: IN_PROGRESS, 1: QUEUED. The
-- namespace is in the key, so that a queue costs nothing for what waits in another.
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

CREATE TABLE event (
  seq      INTEGER PRIMARY KEY,
  previous INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  thing    INTEGER NOT NULL,
  job      INTEGER NOT NULL,
  number   INTEGER NOT NULL,
  kind     INTEGER NOT NULL,
  status   INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  details  BLOB,
  actor    TEXT NOT NULL
) STRICT;

CREATE TABLE effect (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  thing     TEXT NOT NULL,
  notify    INTEGER NOT NULL,
  next      INTEGER NOT NULL,
  namespace TEXT NOT NULL DEFAULT ''
) STRICT;

-- Events that a persistent session must hear and has not been given yet.
CREATE TABLE event_message (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  body  BLOB NOT NULL
) STRICT;
-- Device shadows; the classic one has no name. A deleted one (document NULL) is
-- remembered for its version.
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

CREATE TABLE session (
  client       TEXT PRIMARY KEY,
  expiry       INTEGER NOT NULL,          -- milliseconds
  disconnected INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subscription (
  client TEXT NOT NULL,
  filter TEXT NOT NULL,
  qos    INTEGER NOT NULL,
  PRIMARY KEY (client, filter)
) STRICT, WITHOUT ROWID;
CREATE TABLE message (
  client TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  body   BLOB NOT NULL,
  PRIMARY KEY (client, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE retained (
  topic TEXT PRIMARY KEY,
  body  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
