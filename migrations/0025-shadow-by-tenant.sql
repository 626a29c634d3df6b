-- A shadow policy's tally is kept a tenant, so that each can be shown its own. What was counted before belongs to nobody in particular.
alter table shadow_tally add column tenant_id text not null default '';
alter table shadow_tally alter column tenant_id drop default;
alter table shadow_tally drop constraint shadow_tally_pkey;
alter table shadow_tally add primary key (tenant_id, policy, lane, shadow_lane);
