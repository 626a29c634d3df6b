-- The beginning of a job's prompt that others may share: `place:key:tokens`, outermost first, as intake computed it. And the priming
-- batch whose end the job waits for.
alter table job add column prefix text;
alter table job add column held_for text;
create index job_held on job (held_for) where held_for is not null;

-- Which beginnings a provider's batch pool holds, or will once the priming batch has ended. A hint by nature: where it is wrong,
-- a prefix is written twice. `warm_until_ms` is null while the priming batch runs.
create table prompt_prefix (
  lane text not null,
  account text not null,
  model text not null,
  key text not null,
  dispatch_id text not null,
  ttl text not null,
  begun_at_ms float8 not null,
  warm_until_ms float8,
  primary key (lane, account, model, key)
);
create index prompt_prefix_by_dispatch on prompt_prefix (dispatch_id) where warm_until_ms is null;
create index prompt_prefix_by_end on prompt_prefix (warm_until_ms);
