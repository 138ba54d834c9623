select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, wal_status
from pg_replication_slots
where database = current_database() and slot_name like %s and confirmed_flush_lsn is not null
order by active desc, 1
limit 1
