-- What the storage service has promised to do after an answer: tell a webhook, empty a bucket. In the
-- schema of the stack, not in schema storage, which is upstream's (upstream: pg-boss, in a schema of
-- its own). A job is added in the transaction that makes it necessary, so a killed core loses none.
grant usage, create on schema gavan to supabase_storage_admin;
set local role supabase_storage_admin;

create table gavan.storage_jobs (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('webhook', 'empty')),
    payload json not null,
    attempts integer not null default 0,
    created_at timestamptz not null default now(),
    due_at timestamptz not null default now()
);
comment on column gavan.storage_jobs.due_at is
    'From when on it may be taken; whoever takes it moves this on, and removes the row when done.';
create index storage_jobs_due on gavan.storage_jobs (kind, due_at, id);

reset role;
