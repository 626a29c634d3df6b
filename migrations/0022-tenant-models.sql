-- Which models a tenant lets be asked where another was named (JSON: allow, deny); null for all.
alter table tenant add column models text;
