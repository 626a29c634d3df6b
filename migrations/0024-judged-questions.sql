-- A question near which an entry lies whose answer may fit waits for a judge's word: `judging`. `verdict` is that word, null where none came or was asked for.
alter table semantic_ask drop constraint semantic_ask_kind_check;
alter table semantic_ask add constraint semantic_ask_kind_check check (kind in ('reuse', 'explore', 'miss', 'judging'));
alter table semantic_ask add column verdict boolean;
