-- A row of the log that fits on a page stays there: cut up and put aside it would be written, read and deleted piece by piece.
alter table call_log set (toast_tuple_target = 8160);
