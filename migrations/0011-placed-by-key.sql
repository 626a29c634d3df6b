-- A leader is found by its key. With the tenant in front, a plan made while the tables were small walked all jobs of the tenant for each key.
drop index job_placed_by_key;
create index job_placed_by_key on job (reuse_key) where reuse_key is not null and state = 'placed';
