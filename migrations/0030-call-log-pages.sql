-- A row of the log fits on a page and stays there: cut up and put aside it would be written, read and deleted piece by piece.
alter table call_log set (toast_tuple_target = 8160);
