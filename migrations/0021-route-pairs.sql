-- An alias that learns by itself: the share of its requests whose other candidates are asked as well, the model that compares what they say (null: none), how
-- many labels have come since it was last trained, until when some process trains it, what the watch over its losses has seen (JSON), and when that last
-- closed the policy.
alter table route add column shadow float8 not null default 0.03;
alter table route add column judge text;
alter table route add column fresh integer not null default 0;
alter table route add column training_until_real_ms float8 not null default 0;
alter table route add column drift text;
alter table route add column drifted_at_ms float8;
create index route_fresh on route (tenant_id, alias) where fresh >= 20;

-- A routed job whose answer is compared with those of the other candidates. `chance`: how likely the dice were to draw it; null where a user's word did.
-- `waiting` counts its errands that have not come back. `shadows` (model to job) and `judges` name the errands, `relations` what was found; all JSON, and no
-- text of prompt or answer. `lost`: what the answer that was given lost against the baseline's.
create table route_pair (
  job_id text primary key,
  tenant_id text not null,
  alias text not null,
  chance float8,
  state text not null,
  waiting integer not null default 0,
  tries integer not null default 0,
  due_at_ms float8 not null,
  shadows text,
  judges text,
  relations text,
  said float8,
  lost float8,
  reason text,
  created_at_ms float8 not null,
  ended_at_ms float8
);
create index route_pair_due on route_pair (due_at_ms) where ended_at_ms is null and waiting = 0;
create index route_pair_open on route_pair (tenant_id, alias) where ended_at_ms is null;
create index route_pair_alias on route_pair (tenant_id, alias, job_id);
create index route_pair_ended on route_pair (ended_at_ms) where ended_at_ms is not null;
