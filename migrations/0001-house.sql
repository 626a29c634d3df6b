-- The house. Instants are float8 holding whole Unix milliseconds (exact to 2^53); `_real_ms` is machine time, every other
-- instant is job time. Money is bigint nano-USD. Payload text is never jsonb, which refuses \u0000 and lone surrogates.

create table clock (
  id int primary key check (id = 1),
  real_anchor_ms float8 not null,
  job_anchor_ms float8 not null,
  scale float8 not null check (scale >= 1),
  seen_real_ms float8 not null
);

create table price_book (
  version text primary key,
  content text not null,
  loaded_at_ms float8 not null
);

create table tenant (
  id text primary key,
  name text not null unique,
  allow_unpriced boolean not null default false,
  retention_days int not null default 30 check (retention_days between 0 and 3650),
  created_at_ms float8 not null
);

create table api_key (
  id text primary key,
  tenant_id text not null references tenant,
  name text not null,
  hmac bytea not null,
  pepper_id text not null,
  webhook_secret_sealed text not null,
  created_at_ms float8 not null,
  revoked_at_ms float8
);

create table idempotency (
  tenant_id text not null references tenant,
  route text not null,
  key text not null,
  fingerprint text not null,
  response_id text,
  created_at_ms float8 not null,
  primary key (tenant_id, route, key)
);

create table file (
  id text primary key,
  tenant_id text not null references tenant,
  purpose text not null,
  filename text not null,
  size_bytes float8 not null,
  sha256 text not null,
  blob_key text not null,
  created_at_ms float8 not null,
  expires_at_ms float8,
  deleted_at_ms float8
);
create index file_by_tenant on file (tenant_id, id desc);

create table batch (
  id text primary key,
  tenant_id text not null references tenant,
  key_id text not null,
  surface text not null check (surface in ('native', 'openai', 'anthropic')),
  endpoint text not null,
  state text not null,
  input_file_id text,
  input_blob_key text not null,
  completion_window text not null,
  deadline_at_ms float8,
  lanes_allow text[],
  lanes_deny text[],
  reuse_mode text not null default 'auto',
  callback_url text,
  metadata text,
  errors text,
  model text,
  total int not null default 0,
  output_file_id text,
  error_file_id text,
  lease_gen int not null default 0,
  lease_until_real_ms float8,
  created_at_ms float8 not null,
  in_progress_at_ms float8,
  finalizing_at_ms float8,
  cancelling_at_ms float8,
  ended_at_ms float8,
  deleted_at_ms float8,
  version int not null default 1
);
create index batch_by_tenant on batch (tenant_id, id desc);
create index batch_live on batch (state) where state in ('validating', 'in_progress', 'finalizing', 'cancelling');

create table job (
  id text primary key,
  tenant_id text not null,
  key_id text not null,
  surface text not null,
  batch_id text,
  line_no int,
  custom_id text,
  endpoint text not null,
  provider text not null,
  model text not null,
  baseline_model text not null,
  state text not null,
  version int not null default 1,
  body text,
  body_blob_key text,
  body_offset float8,
  body_bytes int not null,
  input_tokens_est int not null,
  output_tokens_est int not null,
  deadline_at_ms float8,
  lanes_allow text[],
  lanes_deny text[],
  max_cost_nano bigint,
  callback_url text,
  metadata text,
  reuse_key bytea,
  leader_id text,
  next_decision_at_ms float8,
  lane text,
  attempt_id text,
  attempts int not null default 0,
  error text,
  accepted_at_ms float8 not null,
  ended_at_ms float8,
  check ((body is null) <> (body_blob_key is null) or state in ('completed', 'failed', 'cancelled'))
);
create unique index job_line on job (batch_id, line_no) where batch_id is not null;
create index job_due on job (next_decision_at_ms) where next_decision_at_ms is not null;
create index job_live_by_batch on job (batch_id) where state in ('accepted', 'placed');
create index job_by_tenant on job (tenant_id, id desc);
create index job_placed_by_key on job (tenant_id, reuse_key) where reuse_key is not null and state = 'placed';
create index job_by_leader on job (leader_id) where leader_id is not null;

create table dispatch (
  id text primary key,
  lane text not null,
  account text not null,
  endpoint text not null,
  model text not null,
  state text not null check (state in ('queued', 'running', 'submitted', 'done', 'lost')),
  jobs int not null,
  emulated boolean not null,
  lease_gen int not null default 0,
  lease_until_real_ms float8,
  enqueued_real_ms float8 not null,
  provider_ref text,
  provider_status text,
  provider_progress int,
  poll_errors int not null default 0,
  next_poll_at_ms float8,
  cancel_at_ms float8,
  created_at_ms float8 not null,
  submitted_at_ms float8,
  ended_at_ms float8,
  error text
);
create index dispatch_live on dispatch (state) where state in ('queued', 'running', 'submitted');

create table attempt (
  id text primary key,
  job_id text not null,
  tenant_id text not null,
  seq int not null,
  lane text not null,
  account text not null,
  dispatch_id text,
  state text not null,
  role text not null,
  decision text not null,
  estimate_nano bigint,
  prices_version text not null,
  emulated boolean not null,
  request_id text,
  status_code int,
  answer text,
  usage text,
  tier text,
  error_code text,
  source_attempt_id text,
  created_at_ms float8 not null,
  sent_at_ms float8,
  answered_at_ms float8,
  answered_real_ms float8,
  settled_at_ms float8
);
create unique index attempt_by_job on attempt (job_id, seq);
create index attempt_by_dispatch on attempt (dispatch_id) where dispatch_id is not null;
create index attempt_unsettled on attempt (answered_real_ms) where state = 'answered';
-- Interactive calls whose process may have died.
create index attempt_call_open on attempt (sent_at_ms) where state = 'sending' and dispatch_id is null;
create index attempt_unknown on attempt (tenant_id) where state = 'unknown';

create table result (
  job_id text primary key,
  tenant_id text not null,
  attempt_id text not null,
  source text not null check (source in ('lane', 'reuse')),
  status_code int not null,
  created_at_ms float8 not null,
  expires_at_ms float8 not null
);
create index result_by_expiry on result (expires_at_ms);

-- Exact reuse: the newest answer of a key that may be given again.
create table reuse_entry (
  tenant_id text not null,
  reuse_key bytea not null,
  job_id text not null,
  attempt_id text not null,
  created_at_ms float8 not null,
  expires_at_ms float8 not null,
  primary key (tenant_id, reuse_key)
);

create table ledger_txn (
  id text primary key,
  kind text not null check (kind in ('settle', 'waste', 'adjust')),
  tenant_id text not null,
  job_id text not null,
  attempt_id text not null,
  lane text not null,
  model text not null,
  prices_version text not null,
  digest text not null,
  emulated boolean not null,
  priced boolean not null,
  at_ms float8 not null
);
create index ledger_txn_by_job on ledger_txn (job_id);
create index ledger_txn_by_tenant on ledger_txn (tenant_id, at_ms);
create unique index ledger_txn_once on ledger_txn (attempt_id, kind) where kind <> 'adjust';

create table ledger_entry (
  txn_id text not null,
  account text not null,
  amount_nano bigint not null check (amount_nano <> 0),
  primary key (txn_id, account)
);

create function refuse_change() returns trigger language plpgsql as $$
begin raise exception 'the ledger is append-only: % on % is refused', tg_op, tg_table_name; end $$;
create trigger ledger_txn_fixed before update or delete or truncate on ledger_txn for each statement execute function refuse_change();
create trigger ledger_entry_fixed before update or delete or truncate on ledger_entry for each statement execute function refuse_change();

-- A transaction's entries come in one statement, so its balance can be checked a statement at a time: cheaper by far than
-- a deferred trigger a row.
create function ledger_balances() returns trigger language plpgsql as $$
declare broken text;
begin
  select e.txn_id into broken from ledger_entry e where e.txn_id in (select distinct txn_id from fresh)
    group by e.txn_id having sum(e.amount_nano) <> 0 limit 1;
  if broken is not null then raise exception 'ledger transaction % does not balance', broken; end if;
  return null;
end $$;
create trigger ledger_entry_balances after insert on ledger_entry referencing new table as fresh
  for each statement execute function ledger_balances();

create table webhook_event (
  id text primary key,
  tenant_id text not null,
  key_id text not null,
  subject_id text not null,
  url text not null,
  type text not null,
  payload text not null,
  state text not null check (state in ('pending', 'delivered', 'dead')),
  tries int not null default 0,
  next_try_real_ms float8,
  created_at_ms float8 not null,
  unique (subject_id, type)
);
create index webhook_due on webhook_event (next_try_real_ms) where state = 'pending';
create index webhook_by_tenant on webhook_event (tenant_id, id desc);

create table webhook_delivery (
  id text primary key,
  event_id text not null,
  tenant_id text not null,
  try_no int not null,
  at_real_ms float8 not null,
  duration_ms int not null,
  status_code int,
  error text
);
create index webhook_delivery_by_event on webhook_delivery (event_id);
