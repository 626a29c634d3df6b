-- What became of attempts in suspense once the provider's bill was there: charged (posted to the ledger as waste) or not, and who says so.
create table suspense_clearing (
  attempt_id text primary key,
  tenant_id text not null,
  outcome text not null check (outcome in ('charged', 'not-charged')),
  amount_nano bigint not null check (amount_nano >= 0),
  evidence text not null,
  at_ms float8 not null
);
