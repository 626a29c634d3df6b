-- Input tokens of a batch, as estimated, held against its account's enqueued-token quota while it lives; and whether its provider hinted at an end while
-- a worker held it, so that the worker's own next poll does not overwrite the hint.
alter table dispatch add column input_tokens float8 not null default 0, add column hinted boolean not null default false;
update dispatch d set input_tokens = coalesce((select sum(j.input_tokens_est) from attempt a join job j on j.id = a.job_id where a.dispatch_id = d.id), 0)
  where d.state in ('queued', 'running', 'submitted');

-- What refusals taught of the tokens that an account may have enqueued for a model. A row without a limit stands for a quota that is set by configuration,
-- or that nobody knows yet: for which work waits, or of which so many tokens have passed validation together.
create table enqueued_quota (
  lane text not null,
  account text not null,
  model text not null,
  limit_tokens float8,
  told_tokens float8,
  learned_at_ms float8,
  proven_tokens float8 not null default 0,
  primary key (lane, account, model)
);

-- Why an accepted job waits although a lane was chosen for it.
alter table job add column wait_reason text;

-- What waits is woken in the order of its deadlines, work without one a day after its acceptance.
drop index job_held;
create index job_held on job (held_for, coalesce(deadline_at_ms, accepted_at_ms + 86400000), id) where held_for is not null;
