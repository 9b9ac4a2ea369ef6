-- The part of the schema that the update path touches, in PostgreSQL's dialect.
-- Times are epoch milliseconds, 0 is unset, as in the SQLite schema.

CREATE TABLE thing (
  key     bigint PRIMARY KEY,
  name    text NOT NULL,
  deleted bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX thing_name ON thing (name) WHERE deleted = 0;

CREATE TABLE job (
  key                 bigint PRIMARY KEY,
  id                  text NOT NULL UNIQUE,
  status              smallint NOT NULL,
  force_canceled      boolean NOT NULL,
  changed             bigint NOT NULL,
  in_progress_minutes bigint NOT NULL
);

CREATE TABLE execution (
  thing        bigint NOT NULL,
  job          bigint NOT NULL,
  number       bigint NOT NULL,
  seq          bigint NOT NULL,
  status       smallint NOT NULL,
  version      bigint NOT NULL,
  queued       bigint NOT NULL,
  started      bigint NOT NULL,
  last_updated bigint NOT NULL,
  in_progress_deadline bigint NOT NULL,
  step_deadline        bigint NOT NULL,
  due          bigint,
  force_canceled boolean NOT NULL,
  retry        bigint NOT NULL,
  last_event   bigint NOT NULL,
  details      text,
  PRIMARY KEY (thing, job, number)
) WITH (fillfactor = 70); -- room for HOT: a progress report changes no indexed column
CREATE INDEX execution_by_job ON execution (job, thing, number DESC);
CREATE INDEX execution_due ON execution (due) WHERE due IS NOT NULL;

CREATE TABLE pending (
  thing  bigint NOT NULL,
  rank   smallint NOT NULL,
  queued bigint NOT NULL,
  seq    bigint NOT NULL,
  job    bigint NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (thing, rank, queued, seq)
);

CREATE SEQUENCE event_seq;
CREATE TABLE event (
  seq      bigint PRIMARY KEY,
  previous bigint NOT NULL,
  at       bigint NOT NULL,
  thing    bigint NOT NULL,
  job      bigint NOT NULL,
  number   bigint NOT NULL,
  kind     smallint NOT NULL,
  status   smallint NOT NULL,
  version  bigint NOT NULL,
  details  text,
  actor    text NOT NULL
);

-- Up to 16 rows a job: a writer process has its own slot, so that two do not
-- wait for one counter row from their writes to their commits.
CREATE TABLE tally (
  job    bigint NOT NULL,
  slot   smallint NOT NULL,
  things   bigint[] NOT NULL,   -- by status, as job.Tally
  finished bigint[] NOT NULL,
  PRIMARY KEY (job, slot)
) WITH (fillfactor = 50);
CREATE TABLE job_due (
  job  bigint NOT NULL,
  slot smallint NOT NULL,
  at   bigint NOT NULL,
  PRIMARY KEY (job, slot)
) WITH (fillfactor = 50);

CREATE FUNCTION plus(a bigint[], b bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS
  'SELECT array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY i) FROM unnest(a, b) WITH ORDINALITY AS u(x, y, i)';
