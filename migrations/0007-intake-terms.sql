-- A synchronous call under an Idempotency-Key belongs to whoever runs it until this machine instant, which is put off while it runs.
alter table idempotency add column lease_until_real_ms float8;
-- How long a batch's own files are kept, in ms from their creation; null is the usual 30 days. Few batches ask for it.
alter table batch add column output_life_ms float8;
create index batch_own_life on batch (tenant_id) where output_life_ms is not null;
