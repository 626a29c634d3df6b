-- Models that may answer in a job's place, in order, as intake judged them (JSON); null for none. A batch and a tenant keep the names alone.
alter table job add column fallbacks text;
alter table batch add column fallbacks text;
alter table tenant add column fallbacks text;

-- What an attempt asks of whom, where that is not what its job asks: another model, perhaps behind the other API.
alter table attempt add column model text, add column endpoint text;
