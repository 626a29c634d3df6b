-- How a batch's lines ended, as JSON, written with its end: they do not change afterwards. `look_real_ms` spaces the looks at a batch that
-- waits for what is out; `forgotten_at_ms` says that its content is gone.
alter table batch add column line_counts text, add column look_real_ms float8, add column forgotten_at_ms float8;

-- What waits in a cancelled line is asked for by batch.
create index job_cancelled_by_batch on job (batch_id) where state = 'cancelled';
