-- Voice messages: calls beside messages, with msgids from the same blocks, events in the same message_events and
-- callbacks in the same outbox. The large, long-lived table (calls) is range-partitioned as messages is, and its
-- partitions come and go with theirs; call_queue is small, hot and short-lived.
-- Existing rows are locked in the order call_queue -> calls -> accounts.

-- The SIP trunks that calls go out through.
CREATE TABLE trunks (
  trunk_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  enabled boolean NOT NULL DEFAULT true,
  settings jsonb NOT NULL,
  version bigint NOT NULL DEFAULT 1
);

-- Recordings that customers had fetched, as they came; the same file is kept once. They are stored before the call
-- is accepted and dropped some time after no call wants them any more.
CREATE TABLE call_recordings (
  recording_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sha256 bytea NOT NULL UNIQUE,
  file bytea NOT NULL,
  used_at timestamptz NOT NULL
);
-- 8-bit samples hardly compress, and trying to costs more than the bytes.
ALTER TABLE call_recordings ALTER COLUMN file SET STORAGE EXTERNAL;
CREATE INDEX call_recordings_age ON call_recordings (used_at);

-- One call as the customer sees it; written at acceptance and once more at its end.
CREATE TABLE calls (
  msgid bigint NOT NULL,
  account_id integer NOT NULL,
  accepted_at timestamptz NOT NULL,
  phone text NOT NULL,
  type smallint NOT NULL CHECK (type IN (1, 2)),
  body text NOT NULL,
  voice smallint NOT NULL,
  speed smallint NOT NULL,
  volume smallint NOT NULL,
  recording_id bigint,
  replay smallint NOT NULL,
  replay_times smallint NOT NULL,
  response text,
  -- Points per started unit of seconds, as they were when the call was accepted.
  unit_points integer NOT NULL,
  unit_seconds integer NOT NULL,
  -- What was reserved; at the end what was not used is refunded.
  points integer NOT NULL,
  refunded integer NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= points),
  state text CHECK (state IN ('FarEnd', 'NoAnswer', 'Busy')),
  seconds integer,
  answered_at timestamptz,
  done_at timestamptz,
  reason text,
  PRIMARY KEY (msgid)
) PARTITION BY RANGE (msgid);

-- The rank last handed out, and the last one each account was given: start-time fair queueing among accounts.
CREATE TABLE call_turn (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  rank double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
INSERT INTO call_turn DEFAULT VALUES;

CREATE TABLE call_ranks (
  account_id integer PRIMARY KEY,
  rank double precision NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- Calls without an end: waiting (ready), waiting for another try (not ready), or claimed by a node's epoch, which
-- makes the speech, dials and talks. answered_at is committed as soon as the 200 OK is there, talking_at follows it.
CREATE TABLE call_queue (
  msgid bigint PRIMARY KEY,
  account_id integer NOT NULL,
  rank double precision NOT NULL,
  phone text NOT NULL,
  type smallint NOT NULL,
  body text NOT NULL,
  voice smallint NOT NULL,
  speed smallint NOT NULL,
  volume smallint NOT NULL,
  recording_id bigint,
  replay smallint NOT NULL,
  replay_times smallint NOT NULL,
  unit_points integer NOT NULL,
  unit_seconds integer NOT NULL,
  points integer NOT NULL,
  accepted_at timestamptz NOT NULL,
  ready boolean NOT NULL DEFAULT true,
  due_at timestamptz,
  claimed_by integer,
  -- Rounds through the trunks that all failed, and speech that could not be made.
  attempts smallint NOT NULL DEFAULT 0,
  speech_failures smallint NOT NULL DEFAULT 0,
  -- An INVITE may have gone out under this claim; how often a claim that ended so was followed by another one.
  dialled boolean NOT NULL DEFAULT false,
  redials smallint NOT NULL DEFAULT 0,
  answered_at timestamptz,
  talking_at timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX call_queue_order ON call_queue (account_id, rank, msgid) WHERE ready AND claimed_by IS NULL;
CREATE INDEX call_queue_due ON call_queue (due_at) WHERE NOT ready;
CREATE INDEX call_queue_claimed ON call_queue (account_id) WHERE claimed_by IS NOT NULL;
CREATE INDEX call_queue_epoch ON call_queue (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX call_queue_recording ON call_queue (recording_id) WHERE recording_id IS NOT NULL;

-- A call's end is called back like a message's; its payload is the JSON of what only calls have.
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (kind IN ('receipt', 'incoming', 'call'));
