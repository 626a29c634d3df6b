-- The pool serves its line by deadline: each of its dispatches says when the first of its jobs is due and how much work it is, in tokens. Null on every other lane.
alter table dispatch add column due_at_ms float8, add column work_tokens float8;

-- Decisions that were taken under a second policy as well, by what names that policy: how often both agreed, and what each expected. A few rows a policy.
create table shadow_tally (
  policy text not null,
  lane text not null,
  shadow_lane text not null,
  decisions bigint not null,
  expected_nano bigint not null,
  shadow_expected_nano bigint not null,
  from_ms float8 not null,
  until_ms float8 not null,
  primary key (policy, lane, shadow_lane)
);
