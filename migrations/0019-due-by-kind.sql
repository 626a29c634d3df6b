-- What is due for a decision, apart by kind: jobs to be rescued, single jobs, lines of files. A flood of one kind does not stand before the others. A row is in one of them.
drop index job_due;
create index job_due_rescue on job (next_decision_at_ms) where state = 'placed' and next_decision_at_ms is not null;
create index job_due_single on job (next_decision_at_ms) where state = 'accepted' and batch_id is null and next_decision_at_ms is not null;
create index job_due_line on job (next_decision_at_ms) where state = 'accepted' and batch_id is not null and next_decision_at_ms is not null;
