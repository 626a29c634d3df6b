-- Whether a job would have been late even if everything had gone in real time as it came; null before its first placement, and for work without a deadline.
alter table job add column yields boolean;
