-- How an attempt without an answer ended, in the planner's words, written by whoever ended it: refused, parked, missed, unsent, unheard.
alter table attempt add column outcome text;
-- Its line in the file of a provider batch, from 1, in the order in which it was sent; the provider names lines by it.
alter table attempt add column batch_line int;

-- Lanes whose account refuses everything: nobody sends there until `until_ms` (job time).
create table lane_parking (
  lane text not null,
  account text not null,
  code text not null,
  until_ms float8 not null,
  times int not null,
  primary key (lane, account)
);
