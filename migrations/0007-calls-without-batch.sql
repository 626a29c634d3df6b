-- A call has no batch, and so no place in the index by batch.
drop index job_live_by_batch;
create index job_live_by_batch on job (batch_id) where batch_id is not null and state in ('accepted', 'placed');
