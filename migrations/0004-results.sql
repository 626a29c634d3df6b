-- How a batch's lines ended, as JSON, written with its end: they do not change afterwards. `look_real_ms` spaces the looks at a batch that
-- waits for what is out; `forgotten_at_ms` says that its content is gone.
alter table batch add column line_counts text, add column look_real_ms float8, add column forgotten_at_ms float8;

-- What waits in a cancelled line is asked for by batch.
create index job_cancelled_by_batch on job (batch_id) where state = 'cancelled';

-- Retention: single jobs by their own end, lines by the end of their batch.
create index job_single_kept on job (tenant_id, ended_at_ms) where batch_id is null and body is not null and ended_at_ms is not null;
create index batch_kept on batch (tenant_id, ended_at_ms) where forgotten_at_ms is null and ended_at_ms is not null;
create index batch_deleted on batch (id) where forgotten_at_ms is null and deleted_at_ms is not null;
create index webhook_ended on webhook_event (tenant_id, created_at_ms) where state <> 'pending';
create index dispatch_ended on dispatch (ended_at_ms) where state in ('done', 'lost');
drop index result_by_expiry;
create index result_by_attempt on result (attempt_id);

-- Deliveries are counted and paused by endpoint: the host and port of the address, a space, the tenant. In that order, since a host has many tenants.
alter table webhook_event add column endpoint text, add column created_real_ms float8;
update webhook_event set endpoint = lower(coalesce(substring(url from '^https?://([^/?#]+)'), url)) || ' ' || tenant_id;
alter table webhook_event alter column endpoint set not null;
create index webhook_by_endpoint on webhook_event (endpoint, next_try_real_ms) where state = 'pending';

-- Endpoints whose last deliveries failed; one that works has no row.
create table webhook_endpoint (
  endpoint text primary key,
  failures int not null,
  paused_until_real_ms float8
);

-- Sweeps and pages that scanned.
create index idempotency_by_age on idempotency (created_at_ms);
create index file_going on file (least(deleted_at_ms, expires_at_ms)) where blob_key <> '';
create index batch_reads_blob on batch (input_blob_key) where state in ('validating', 'in_progress', 'finalizing', 'cancelling');
create index batch_by_created on batch (tenant_id, created_at_ms desc, id desc) where deleted_at_ms is null;
create index job_by_accepted on job (tenant_id, accepted_at_ms);
create index job_live_by_tenant on job (tenant_id) where state in ('accepted', 'placed');
