-- A job that Slowboat itself asks on behalf of a tenant: another model's answer to compare, a judge's verdict. Its job (surface 'errand') is planned, paid and
-- settled like any other; the row waits for whoever sent it, who takes it away once the job has ended. `content` is the sender's own, as JSON.
create table errand (
  job_id text primary key,
  tenant_id text not null,
  kind text not null,
  subject_id text not null,
  content text not null,
  created_at_ms float8 not null,
  ended boolean not null default false
);
create index errand_ended on errand (kind, created_at_ms) where ended;
create index errand_open on errand (tenant_id, kind) where not ended;
