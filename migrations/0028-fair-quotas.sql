-- What waits for an account's enqueued tokens is woken tenant by tenant, each in the order of its deadlines.
drop index job_held;
create index job_held on job (held_for, tenant_id, coalesce(deadline_at_ms, accepted_at_ms + 86400000), id) where held_for is not null;
