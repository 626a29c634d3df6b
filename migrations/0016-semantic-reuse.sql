-- Answers given again to questions that only mean the same. What a tenant lets be reused so, as JSON; null for nothing.
alter table tenant add column semantic_cache text;
-- True for a job that asks so, and then its question stands in `semantic_ask`; null for every other, which pays nothing for it.
alter table job add column semantic boolean;

-- A question of a job, what lay near it and what was decided: the log of decisions with the chance of each, and their labels.
-- `kind` is null until it is decided, `answered` true once its job has ended, `closed_at_ms` set when nothing more is learned from it.
create table semantic_ask (
  job_id text primary key,
  tenant_id text not null,
  key_id text not null,
  endpoint text not null,
  model text not null,
  namespace bytea not null,
  family bytea not null,
  embedder text not null,
  text text not null,
  max_error float8 not null,
  ttl_ms float8,
  codes bytea,
  scale real,
  kind text check (kind in ('reuse', 'explore', 'miss')),
  entry_id text,
  decision text,
  neighbours text,
  follows text,
  followed boolean not null default false,
  label boolean,
  judged_by text,
  answered boolean not null default false,
  created_at_ms float8 not null,
  decided_at_ms float8,
  closed_at_ms float8
);
create index semantic_ask_undecided on semantic_ask (created_at_ms) where kind is null and closed_at_ms is null;
create index semantic_ask_answered on semantic_ask (created_at_ms) where answered and closed_at_ms is null;
create index semantic_ask_open on semantic_ask (created_at_ms) where kind is not null and not answered and closed_at_ms is null;
create index semantic_ask_by_leader on semantic_ask (follows) where follows is not null;
create index semantic_ask_by_tenant on semantic_ask (tenant_id, decided_at_ms) where kind is not null;

-- Kept answers by the vector of their question. `no` names a row in the workers' memory; `seq` is drawn anew with each change that they must hear of.
create sequence semantic_entry_no;
create sequence semantic_entry_seq;
create table semantic_entry (
  id text primary key,
  no bigint not null default nextval('semantic_entry_no'),
  seq bigint not null default nextval('semantic_entry_seq'),
  tenant_id text not null,
  key_id text not null,
  endpoint text not null,
  model text not null,
  namespace bytea not null,
  family bytea not null,
  embedder text not null,
  text text not null,
  codes bytea not null,
  scale real not null,
  answer_key text not null,
  job_id text not null,
  attempt_id text not null,
  hits int not null default 0,
  created_at_ms float8 not null,
  expires_at_ms float8 not null,
  evicted_at_ms float8,
  evicted_why text
);
create unique index semantic_entry_by_seq on semantic_entry (seq);
create unique index semantic_entry_by_no on semantic_entry (no);
create index semantic_entry_by_space on semantic_entry (tenant_id, namespace) where evicted_at_ms is null;
create index semantic_entry_by_tenant on semantic_entry (tenant_id, id desc);
create index semantic_entry_by_writer on semantic_entry (key_id, created_at_ms);
create index semantic_entry_by_job on semantic_entry (job_id);
create index semantic_entry_gone on semantic_entry (evicted_at_ms) where evicted_at_ms is not null;
create index semantic_entry_by_expiry on semantic_entry (expires_at_ms);

-- What was learned of a family of namespaces: the verifier's state as the core writes it, and counts for people.
create table semantic_family (
  tenant_id text not null,
  family bytea not null,
  endpoint text not null,
  model text not null,
  state text not null,
  version int not null,
  drifting boolean not null,
  updated_at_ms float8 not null,
  primary key (tenant_id, family)
);

-- What callers say of answers. `kind` names what the word is about, so that whoever learns from it finds it.
create table feedback (
  id text primary key,
  tenant_id text not null,
  job_id text not null,
  kind text not null,
  good boolean,
  score float8,
  comment text,
  created_at_ms float8 not null
);
create index feedback_by_job on feedback (job_id);
create index feedback_by_kind on feedback (tenant_id, kind, id);
