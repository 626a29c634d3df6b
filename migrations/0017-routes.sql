-- A tenant's routed aliases: who may answer, who is the measure, which share of its quality is to be kept, and the policy learned so far (null: none yet).
create table route (
  tenant_id text not null,
  alias text not null,
  candidates text not null,
  baseline text not null,
  quality float8 not null,
  created_at_ms float8 not null,
  policy bytea,
  policy_version integer not null default 0,
  labels integer not null default 0,
  trained_at_ms float8,
  primary key (tenant_id, alias)
);

-- Graded requests that a policy is learned from, as hashed features: nothing of a prompt can be read back. Bounded by the newest.
create table route_label (
  tenant_id text not null,
  alias text not null,
  id text not null,
  label bytea not null,
  created_at_ms float8 not null,
  primary key (tenant_id, alias, id)
);

-- How a job for an alias was routed and why (JSON); null for every other job.
alter table job add column route text;
