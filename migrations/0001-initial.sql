-- The platform's tables. Hot, small, short-lived rows (queue, in_flight, outbox) stand apart from the
-- large, long-lived ones (messages, message_events), which are range-partitioned by msgid.
-- Existing rows are always locked in the order queue -> message -> account; no foreign key leads from a
-- hot table to accounts, since its share lock would serialise the batches.

-- msgids (spec README point 11): 8 to 11 digits, handed out in blocks of 1,000, never cycling.
CREATE SEQUENCE msgid_blocks AS bigint INCREMENT BY 1000 MINVALUE 100000000 MAXVALUE 99999999000 START 100000000 NO CYCLE;

-- Tests move every process's clock by this row; it stays 0 in production.
CREATE TABLE clock_shift (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  offset_ms bigint NOT NULL DEFAULT 0
);
INSERT INTO clock_shift DEFAULT VALUES;

CREATE TABLE accounts (
  account_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  username text NOT NULL UNIQUE,
  password_hash text NOT NULL,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
  api boolean NOT NULL DEFAULT true,
  international boolean NOT NULL DEFAULT false,
  ip_allow text[] NOT NULL DEFAULT '{}',
  text_encoding text NOT NULL DEFAULT 'auto' CHECK (text_encoding IN ('auto', 'utf-8', 'big5')),
  double_encoding text NOT NULL DEFAULT 'auto' CHECK (double_encoding IN ('auto', 'always', 'never')),
  incoming_url text,
  source_address text,
  share double precision NOT NULL DEFAULT 1 CHECK (share > 0),
  -- Raised by every change of a setting above, not by the balance: acceptance compares it.
  version bigint NOT NULL DEFAULT 1,
  balance bigint NOT NULL DEFAULT 0 CHECK (balance >= 0),
  created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- Every movement of points. A charge row stands for one account's part of one batch of acceptances, whose
-- messages are those of the account with first_msgid <= msgid <= last_msgid; a refund row is one message.
CREATE TABLE ledger (
  entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id integer NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL CHECK (kind IN ('topup', 'charge', 'refund', 'correction')),
  points bigint NOT NULL,
  messages integer NOT NULL DEFAULT 0,
  first_msgid bigint,
  last_msgid bigint,
  note text
);
CREATE INDEX ledger_by_account ON ledger (account_id, entry_id);

-- One message as the customer sees it; written at acceptance and once more at its final state.
CREATE TABLE messages (
  msgid bigint NOT NULL,
  account_id integer NOT NULL,
  accepted_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  scheduled boolean NOT NULL,
  mobile text NOT NULL,
  body text NOT NULL,
  segments smallint NOT NULL,
  points integer NOT NULL,
  refunded integer NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= points),
  drurl text,
  state text,
  -- UNKNOWN by time-out may be replaced once by a real receipt (spec README point 16).
  correctable boolean NOT NULL DEFAULT false,
  done_at timestamptz,
  PRIMARY KEY (msgid)
) PARTITION BY RANGE (msgid);

-- A message's life, line by line; only ever appended.
CREATE TABLE message_events (
  msgid bigint NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  operator_id smallint,
  segment smallint,
  link text,
  sequence bigint,
  operator_message_id text,
  status bigint,
  detail text
) PARTITION BY RANGE (msgid);
CREATE INDEX message_events_by_msgid ON message_events (msgid);

CREATE TABLE operators (
  operator_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  enabled boolean NOT NULL DEFAULT true,
  settings jsonb NOT NULL,
  version bigint NOT NULL DEFAULT 1,
  -- The rank last handed to this operator: the virtual time of start-time fair queueing.
  rank double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- The last rank each account was given at each operator.
CREATE TABLE fair_ranks (
  operator_id smallint NOT NULL,
  account_id integer NOT NULL,
  rank double precision NOT NULL,
  PRIMARY KEY (operator_id, account_id)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- Messages that are due, in the order they go out. A claimed row belongs to a node's epoch.
CREATE TABLE queue (
  msgid bigint PRIMARY KEY,
  operator_id smallint NOT NULL,
  rank double precision NOT NULL,
  account_id integer NOT NULL,
  mobile text NOT NULL,
  body text NOT NULL,
  segments smallint NOT NULL,
  source_address text,
  accepted_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  claimed_by integer,
  -- Bit n: segment n+1 was taken by the operator or its outcome is unknown; such a message is bound to its operator.
  sent_mask smallint NOT NULL DEFAULT 0,
  reference smallint,
  attempts smallint NOT NULL DEFAULT 0,
  resends smallint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_order ON queue (operator_id, rank, msgid);
-- No index on claimed_by: it would keep a claim's update from staying on its page, and only take-overs look for it.
-- None on expires_at either (5 of 29 microseconds a row at acceptance): the sweep walks by msgid.

-- Messages that are not due: scheduled by the customer, or waiting for another try. A retry keeps its rank.
CREATE TABLE deferred (
  msgid bigint PRIMARY KEY,
  due_at timestamptz NOT NULL,
  why text NOT NULL CHECK (why IN ('scheduled', 'retry')),
  operator_id smallint NOT NULL,
  rank double precision,
  account_id integer NOT NULL,
  mobile text NOT NULL,
  body text NOT NULL,
  segments smallint NOT NULL,
  source_address text,
  accepted_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  sent_mask smallint NOT NULL DEFAULT 0,
  reference smallint,
  attempts smallint NOT NULL DEFAULT 0,
  resends smallint NOT NULL DEFAULT 0
);
CREATE INDEX deferred_due ON deferred (due_at);

-- Where response and receipt of a segment meet; whichever is second settles. Segment rows have a msgid;
-- a row without one is a receipt whose response has not come (or never will).
CREATE TABLE in_flight (
  operator_message_id text NOT NULL,
  operator_id smallint NOT NULL,
  msgid bigint,
  segment smallint,
  segments smallint,
  mobile text NOT NULL,
  reference integer,
  outcome_unknown boolean NOT NULL DEFAULT false,
  submitted_at timestamptz,
  -- When waiting for its receipt ends; for a receipt without a segment, when it is next tried.
  overdue_at timestamptz NOT NULL,
  timed_out boolean NOT NULL DEFAULT false,
  accepted_seen boolean NOT NULL DEFAULT false,
  receipt_state text,
  receipt_done_at timestamptz,
  receipt_detail text,
  receipt_attempts smallint NOT NULL DEFAULT 0,
  received_at timestamptz,
  PRIMARY KEY (operator_message_id, operator_id)
) WITH (fillfactor = 80, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX in_flight_overdue ON in_flight (overdue_at) WHERE NOT timed_out;
CREATE INDEX in_flight_timed_out ON in_flight (overdue_at) WHERE timed_out;
CREATE INDEX in_flight_unknown ON in_flight (mobile) WHERE outcome_unknown;

-- Messages of several segments: s1 to s5 are the final states of the segments, as the ordinals of
-- domain/states.ts, so that the message's own is the greatest of them.
CREATE TABLE long_messages (
  msgid bigint PRIMARY KEY,
  segments smallint NOT NULL,
  s1 smallint,
  s2 smallint,
  s3 smallint,
  s4 smallint,
  s5 smallint,
  submitted_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX long_messages_age ON long_messages (submitted_at);

-- Callbacks owed. First tries stand in the open lane; retries and callbacks of a host that can't keep up are
-- parked in a lane of their host, so that no host stands in another's way.
CREATE TABLE outbox (
  callback_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('receipt', 'incoming')),
  account_id integer NOT NULL,
  msgid bigint,
  url text NOT NULL,
  host text NOT NULL,
  mobile text,
  state text,
  done_at timestamptz,
  -- For kind 'incoming': the JSON of the moResp row.
  payload text,
  created_at timestamptz NOT NULL,
  next_at timestamptz NOT NULL,
  give_up_at timestamptz NOT NULL,
  attempts smallint NOT NULL DEFAULT 0,
  parked boolean NOT NULL DEFAULT false,
  given_up boolean NOT NULL DEFAULT false,
  claimed_by integer
) WITH (fillfactor = 60, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_open ON outbox (next_at, callback_id) WHERE NOT parked AND NOT given_up;
CREATE INDEX outbox_parked ON outbox (host, next_at) WHERE parked AND NOT given_up;
CREATE INDEX outbox_given_up ON outbox (callback_id) WHERE given_up;
-- No index on claimed_by, for the reason given at the queue.

-- Two-way numbers and what arrived for them.
CREATE TABLE numbers (
  snumber text PRIMARY KEY CHECK (snumber ~ '^[0-9]{5}$'),
  address text NOT NULL UNIQUE,
  account_id integer NOT NULL REFERENCES accounts
);

CREATE TABLE incoming (
  seq bigint GENERATED ALWAYS AS IDENTITY (START WITH 100001) PRIMARY KEY,
  snumber text,
  account_id integer,
  operator_id smallint NOT NULL,
  address text NOT NULL,
  mobile text NOT NULL,
  body text NOT NULL,
  received_at timestamptz NOT NULL,
  fingerprint text NOT NULL
);
CREATE INDEX incoming_by_number ON incoming (snumber, account_id, received_at);
CREATE INDEX incoming_by_fingerprint ON incoming (fingerprint, received_at);

CREATE TABLE incoming_segments (
  operator_id smallint NOT NULL,
  mobile text NOT NULL,
  address text NOT NULL,
  reference integer NOT NULL,
  total smallint NOT NULL,
  segment smallint NOT NULL,
  body text NOT NULL,
  received_at timestamptz NOT NULL,
  -- Shown as part of its message, and kept for a while so that a copy of it is known for one.
  joined_at timestamptz,
  PRIMARY KEY (operator_id, mobile, address, reference, total, segment)
);
CREATE INDEX incoming_segments_age ON incoming_segments (received_at);

-- Keyword filter and opt-outs; account_id NULL holds for every account.
CREATE TABLE filter_words (
  word_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id integer REFERENCES accounts,
  word text NOT NULL
);
CREATE UNIQUE INDEX filter_words_once ON filter_words (coalesce(account_id, 0), word);

CREATE TABLE opt_outs (
  mobile text NOT NULL,
  account_id integer REFERENCES accounts,
  since timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX opt_outs_once ON opt_outs (mobile, coalesce(account_id, 0));

-- Nodes: an epoch is valid until its deadline; whatever a dead epoch held is freed by the others.
CREATE TABLE nodes (
  epoch integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  started_at timestamptz NOT NULL,
  deadline timestamptz NOT NULL
);

CREATE TABLE link_slots (
  operator_id smallint NOT NULL,
  slot smallint NOT NULL,
  epoch integer,
  bound boolean NOT NULL DEFAULT false,
  detail text,
  PRIMARY KEY (operator_id, slot)
);
