-- What settlement reads of a logged call is a few short fields; its texts, which are most of it, go from the log into the rows that they become without
-- being cut into fields on the way. So each has a column of its own: lines of intents with the bodies and decisions that belong to them, lines of what
-- answers say of themselves with the answers. Calls that are still in the log as they were written before are filed as the rows that they are.
-- A process of the version before that is still there waits, and then fails to write.
set local statement_timeout = 0;
lock table call_log in access exclusive mode;
with opened as materialized (
  select string_to_array(line, E'\x1f', E'\x05') as f from call_log, unnest(string_to_array(opened, E'\x1e')) as line),
jobs as (
  insert into job (id, tenant_id, key_id, surface, batch_id, line_no, custom_id, endpoint, provider, model, baseline_model, state, body, body_blob_key,
    body_offset, body_bytes, input_tokens_est, output_tokens_est, deadline_at_ms, lanes_allow, lanes_deny, max_cost_nano, callback_url, metadata, reuse_key,
    next_decision_at_ms, accepted_at_ms, lane, attempt_id, attempts, error, ended_at_ms, fallbacks, semantic, route)
  select f[1], f[2], f[3], f[4], f[5], f[6]::int, f[7], f[8], f[9], f[10], f[11], f[12], f[13], f[14],
    f[15]::float8, f[16]::int, f[17]::int, f[18]::int, f[19]::float8, string_to_array(f[20], ','), string_to_array(f[21], ','), f[22]::int8, f[23], f[24],
    decode(f[25], 'hex'), f[26]::float8, f[27]::float8, f[28], f[29], f[30]::int, f[31], f[32]::float8, f[33], f[34]::boolean, f[35]
  from opened on conflict do nothing)
insert into attempt (id, job_id, tenant_id, seq, lane, account, dispatch_id, state, role, decision, estimate_nano, prices_version, emulated,
  source_attempt_id, model, endpoint, created_at_ms, sent_at_ms, answered_at_ms)
select f[36], f[37], f[38], f[39]::int, f[40], f[41], f[42], f[43], f[44], f[45], f[46]::int8, f[47], f[48]::boolean, f[49], f[50], f[51], f[52]::float8,
  f[53]::float8, f[54]::float8
from opened on conflict do nothing;

with told as materialized (
  select distinct on (f[1]) f, at_ms, at_real_ms
  from (select id, at_ms, at_real_ms, string_to_array(line, E'\x1f', E'\x05') as f from call_log, unnest(string_to_array(answered, E'\x1e')) as line) as lines
  order by f[1], id),
taken as (
  update attempt set state = 'answered', status_code = told.f[2]::int, answer = told.f[3], request_id = told.f[4], error_code = told.f[5],
    answered_at_ms = told.at_ms, answered_real_ms = told.at_real_ms
  from told where attempt.id = told.f[1] and attempt.state in ('sending', 'placed', 'unknown') returning attempt.id, octet_length(attempt.answer) as bytes)
insert into unsettled (attempt_id, bytes) select id, bytes from taken;

delete from call_log;
alter table call_log drop column opened, drop column answered;
alter table call_log add column intents text, add column bodies text, add column decisions text, add column readings text, add column answers text;
alter table call_log alter column intents set storage external, alter column bodies set storage external, alter column decisions set storage external,
  alter column readings set storage external, alter column answers set storage external;
