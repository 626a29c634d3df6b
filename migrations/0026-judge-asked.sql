-- The model that was asked about a question in doubt, whatever came of it; null where none was.
alter table semantic_ask add column judge text;
update semantic_ask set judge = 'unknown' where verdict is not null;
