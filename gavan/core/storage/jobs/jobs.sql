-- Work that outlives the request and the process (034_storage_jobs.sql): $1 is the kind, or the ids.

-- One job for each element of $2.
-- name: add
insert into gavan.storage_jobs (kind, payload) select $1, json_array_elements($2::json)
returning id

-- At most $2 jobs that are due; nobody else gets them within the next $3 seconds.
-- name: claim
update gavan.storage_jobs set
    attempts = attempts + 1,
    due_at = clock_timestamp() + make_interval(secs => $3::double precision)
where id = any(array(
    select id from gavan.storage_jobs
    where kind = $1 and due_at <= clock_timestamp()
    order by due_at, id limit $2::bigint
    for update skip locked))
returning id, payload, attempts, extract(epoch from clock_timestamp() - created_at)

-- Seconds until the next one is due; null when there is none.
-- name: next_due
select extract(epoch from min(due_at) - clock_timestamp())
from gavan.storage_jobs where kind = $1

-- name: done
delete from gavan.storage_jobs
where id in (select jsonb_array_elements_text($1::jsonb)::bigint)

-- To be taken in $2 seconds.
-- name: put_off
update gavan.storage_jobs
set due_at = clock_timestamp() + make_interval(secs => $2::double precision)
where id in (select jsonb_array_elements_text($1::jsonb)::bigint)

-- Those of $2 seconds and older that nobody has.
-- name: give_up
with gone as (
    delete from gavan.storage_jobs
    where kind = $1 and due_at <= clock_timestamp()
        and created_at <= clock_timestamp() - make_interval(secs => $2::double precision)
    returning 1
)
select count(*) from gone
