-- What an interactive call commits while somebody waits for it: a row for all that was committed together, gone as soon as its calls are filed as
-- jobs and attempts. Its text is as long as its calls and is read once: not compressed.
create table call_log (
  id bigint generated always as identity primary key,
  opened text,
  answered text,
  items int not null,
  at_ms float8 not null,
  at_real_ms float8 not null
);
alter table call_log alter column opened set storage external, alter column answered set storage external;
-- Rows live for a moment. Their room is wanted again long before a fifth of the table is dead.
alter table call_log set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 10000);
