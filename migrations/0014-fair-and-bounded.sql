-- A key belongs to a project of its tenant; null is the tenant's default project, whose id is the tenant's own with another prefix.
create table project (
  id text primary key,
  tenant_id text not null references tenant,
  name text not null,
  created_at_ms float8 not null,
  unique (tenant_id, name)
);
insert into project (id, tenant_id, name, created_at_ms) select 'proj_' || substr(id, 5), id, 'default', created_at_ms from tenant;

-- `admin`: may set the budgets of its tenant. The limits hold for the key over all processes; null is none.
alter table api_key
  add column project_id text references project,
  add column admin boolean not null default false,
  add column requests_per_minute int check (requests_per_minute > 0),
  add column tokens_per_minute int check (tokens_per_minute > 0),
  add column concurrency int check (concurrency > 0);

-- `budgeted`: a budget was set once, so that settlement looks for holds; it never goes back. `weight`: its share where something is scarce.
alter table tenant
  add column budgeted boolean not null default false,
  add column weight float8 not null default 1 check (weight > 0 and weight <= 1000);

-- What a tenant, or one of its projects, may be charged in a period. The row is the lock under which its entries are written; without an amount it was taken back.
create table budget (
  id text primary key,
  tenant_id text not null references tenant,
  project_id text references project,
  period text not null check (period in ('total', 'day', 'month')),
  amount_nano bigint check (amount_nano >= 0),
  hard boolean not null,
  alert_at float8 check (alert_at > 0 and alert_at <= 1),
  callback_url text,
  key_id text references api_key,
  created_at_ms float8 not null,
  changed_at_ms float8 not null
);
create unique index budget_once on budget (tenant_id, coalesce(project_id, ''), period);

-- The books of a budget's period: one chain of entries, each with what is held and spent after it. The last entry is the balance; there is no other.
create table budget_entry (
  budget_id text not null,
  period text not null,
  seq bigint not null check (seq > 0),
  kind text not null check (kind in ('reserve', 'move', 'settle', 'release')),
  subject_id text not null,
  attempt_id text,
  held_nano bigint not null,
  spent_nano bigint not null check (spent_nano >= 0),
  held_after_nano bigint not null check (held_after_nano >= 0),
  spent_after_nano bigint not null check (spent_after_nano >= 0),
  at_ms float8 not null,
  primary key (budget_id, period, seq),
  check ((kind = 'settle') = (attempt_id is not null)),
  check (kind = 'settle' or spent_nano = 0),
  check (case kind when 'reserve' then held_nano >= 0 when 'move' then true else held_nano <= 0 end)
);
create index budget_entry_by_subject on budget_entry (subject_id);
-- A job is held for once, by a reservation of its own or by what is moved to it from its batch's; and an attempt is paid for once.
create unique index budget_entry_reserved on budget_entry (subject_id, budget_id) where kind in ('reserve', 'move') and held_nano >= 0;
create unique index budget_entry_settled on budget_entry (attempt_id, budget_id) where kind = 'settle';
create trigger budget_entry_fixed before update or delete or truncate on budget_entry for each statement execute function refuse_change();

-- Every entry goes on from the one before it, and no reservation passes the amount of a hard budget.
create function budget_chain() returns trigger language plpgsql as $$
declare broken text;
begin
  select f.budget_id into broken from fresh f left join budget_entry p on p.budget_id = f.budget_id and p.period = f.period and p.seq = f.seq - 1
    where f.held_after_nano <> coalesce(p.held_after_nano, 0) + f.held_nano or f.spent_after_nano <> coalesce(p.spent_after_nano, 0) + f.spent_nano
      or (p.seq is null and f.seq > 1) limit 1;
  if broken is not null then raise exception 'the entries of budget % do not go on from one another', broken; end if;
  select f.budget_id into broken from fresh f join budget b on b.id = f.budget_id
    where f.kind = 'reserve' and f.held_nano > 0 and b.hard and f.held_after_nano + f.spent_after_nano > b.amount_nano limit 1;
  if broken is not null then raise exception 'budget % has no room for the reservation', broken; end if;
  return null;
end $$;
create trigger budget_entry_goes_on after insert on budget_entry referencing new table as fresh
  for each statement execute function budget_chain();

-- Jobs and batches that something is or may be held for; `look_real_ms` is set once they have ended, and says when what is left is looked at.
create table budget_open (
  subject_id text primary key,
  look_real_ms float8
);
create index budget_open_ended on budget_open (look_real_ms) where look_real_ms is not null;

-- Budgets that reached their alert share, once a period.
create table budget_alert (
  budget_id text not null,
  period text not null,
  used_nano bigint not null,
  amount_nano bigint not null,
  at_ms float8 not null,
  primary key (budget_id, period)
);

-- What keys have left of their limits, and their calls that run. Machine time; lost in a crash of the database, which sets every limit to full.
create unlogged table key_allowance (
  key_id text primary key,
  requests float8 not null,
  tokens float8 not null,
  at_real_ms float8 not null
);
create unlogged table key_call (
  id text primary key,
  key_id text not null,
  until_real_ms float8 not null
);
create index key_call_by_key on key_call (key_id, until_real_ms);

-- What tenants were served of a scarce thing, by their weights: the virtual counters of fair shares. Corrected when the work is settled.
create table fair_share (
  resource text not null,
  tenant_id text not null,
  served float8 not null,
  at_ms float8 not null,
  primary key (resource, tenant_id)
);
