-- What the planner decided when it did not place a job: a row where the reason changes, bounded for each job. Placing decisions stand with their attempts.
create table delay (
  job_id text not null,
  seq int not null,
  record text not null,
  primary key (job_id, seq)
);
-- The reason of the last of them, so that the same one is not written again; null once the job is placed.
alter table job add column delayed text;

-- What was learned of a lane's batches, as long as a decision may be read that rests on it.
create table lesson (
  lane text not null,
  learned_at_ms float8 not null,
  content text not null,
  primary key (lane, learned_at_ms)
);

-- The class that a job was admitted in; null is best effort.
alter table job add column admission text;
alter table batch add column admission text;
-- Rescue capacity promised to work that is not best effort: who may need how much of which real-time lane by when, and how likely it needs none.
create table promise (
  subject_id text primary key,
  resource text not null,
  class text not null check (class in ('guaranteed', 'likely')),
  lane text not null,
  deadline_at_ms float8 not null,
  work_ms float8 not null,
  in_time float8 not null
);
create index promise_by_resource on promise (resource, deadline_at_ms);
