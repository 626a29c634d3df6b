-- Every statement that adds entries must balance by itself; so what is there already sums to zero and need not be read again. Looking it
-- up made a settlement slower with every entry in the ledger.
create or replace function ledger_balances() returns trigger language plpgsql as $$
declare broken text;
begin
  select txn_id into broken from fresh group by txn_id having sum(amount_nano) <> 0 limit 1;
  if broken is not null then raise exception 'ledger transaction % does not balance', broken; end if;
  return null;
end $$;
