-- A second attempt of a job, beside one that may still be charged or after one that was, has a hold of its own: `extend` adds it to what is held for the job.
alter table budget_entry drop constraint budget_entry_kind_check, drop constraint budget_entry_check2;
alter table budget_entry
  add constraint budget_entry_kind_check check (kind in ('reserve', 'move', 'extend', 'settle', 'release')),
  add constraint budget_entry_check2
    check (case kind when 'reserve' then held_nano >= 0 when 'extend' then held_nano > 0 when 'move' then true else held_nano <= 0 end);

-- As before, and what is held for a second attempt passes the amount of a hard budget as little as what is held for a first one.
create or replace function budget_chain() returns trigger language plpgsql as $$
declare broken text;
begin
  select f.budget_id into broken from fresh f left join budget_entry p on p.budget_id = f.budget_id and p.period = f.period and p.seq = f.seq - 1
    where f.held_after_nano <> coalesce(p.held_after_nano, 0) + f.held_nano or f.spent_after_nano <> coalesce(p.spent_after_nano, 0) + f.spent_nano
      or (p.seq is null and f.seq > 1) limit 1;
  if broken is not null then raise exception 'the entries of budget % do not go on from one another', broken; end if;
  select f.budget_id into broken from fresh f join budget b on b.id = f.budget_id
    where f.kind in ('reserve', 'extend') and f.held_nano > 0 and b.hard and f.held_after_nano + f.spent_after_nano > b.amount_nano limit 1;
  if broken is not null then raise exception 'budget % has no room for the reservation', broken; end if;
  return null;
end $$;

-- How the planner last found each lane: what its process has learned of the account's pace from replies, for quotes and promises made by processes that send nothing there.
-- Lost in a crash of the database, after which it is learned again.
create unlogged table lane_standing (
  lane text not null,
  account text not null,
  content text not null,
  at_real_ms float8 not null,
  primary key (lane, account)
);
