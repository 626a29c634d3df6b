-- Every index of a busy table is paid for with each change of a row. Ids are ordered by time: what is asked for by the instant of acceptance is
-- a range of the index by tenant.
drop index job_by_accepted;
-- Lines that live are found by their batch; only single jobs need a place of their own.
drop index job_live_by_tenant;
create index job_live_single on job (tenant_id) where batch_id is null and state in ('accepted', 'placed');
-- The id says what a transaction settles, so the primary key alone keeps an attempt from being billed twice, as the answer or as waste.
drop index ledger_txn_once;
alter table ledger_txn add constraint ledger_txn_once check (kind = 'adjust' or id = 'settle:' || attempt_id);

-- An attempt changes three times. Where none of these changes touches an index, Postgres writes the new version beside the old one and leaves the
-- indexes alone (HOT). So what is asked of an attempt's state stands in columns that are null for nearly all: the tenant of one in suspense, the
-- instant of a call that is being sent.
drop index attempt_unknown;
drop index attempt_call_open;
alter table attempt
  add column suspended_tenant text generated always as (case when state = 'unknown' then tenant_id end) stored,
  add column open_call_ms float8 generated always as (case when state = 'sending' and dispatch_id is null then sent_at_ms end) stored;
create index attempt_unknown on attempt (suspended_tenant) where suspended_tenant is not null;
create index attempt_call_open on attempt (open_call_ms) where open_call_ms is not null;
alter table attempt set (fillfactor = 50);

-- Answers that wait for settlement, with the size of each: written with the answer, removed with its settlement.
drop index attempt_unsettled;
create table unsettled (
  attempt_id text primary key,
  bytes int not null
);
insert into unsettled (attempt_id, bytes) select id, coalesce(octet_length(answer), 0) from attempt where state = 'answered';
