-- Schema storage (contract storage.md 12): buckets, objects, multipart uploads, and the functions
-- that policies call. What only the storage service calls comes with that service.
create schema storage authorization supabase_storage_admin;
set local role supabase_storage_admin;

create type storage.buckettype as enum ('STANDARD', 'ANALYTICS', 'VECTOR');

create table storage.migrations (
    id integer primary key,
    name varchar(100) not null unique,
    hash varchar(40) not null,
    executed_at timestamp default current_timestamp
);

create table storage.buckets (
    id text primary key,
    name text not null,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    public boolean default false,
    avif_autodetection boolean default false,
    file_size_limit bigint,
    allowed_mime_types text[],
    owner_id text,
    type storage.buckettype not null default 'STANDARD',
    versioning_status text
);
comment on column storage.buckets.owner is 'Old; owner_id is the one that is used.';
create unique index bname on storage.buckets (name);

create table storage.objects (
    id uuid primary key default gen_random_uuid(),
    bucket_id text constraint "objects_bucketId_fkey" references storage.buckets (id),
    name text,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_accessed_at timestamptz default now(),
    metadata jsonb,
    path_tokens text[] generated always as (string_to_array(name, '/')) stored,
    version text,
    owner_id text,
    user_metadata jsonb,
    archived_at timestamptz,
    is_delete_marker boolean not null default false,
    is_versioned boolean not null default false
);
comment on column storage.objects.owner is 'Old; owner_id is the one that is used.';
create unique index bucketid_objname on storage.objects (bucket_id, name);
create index idx_objects_bucket_id_name on storage.objects (bucket_id, name collate "C");
create index idx_objects_bucket_id_name_lower on storage.objects
    (bucket_id, lower(name) collate "C");
create index name_prefix_search on storage.objects (name text_pattern_ops);

create table storage.s3_multipart_uploads (
    id text primary key,
    in_progress_size bigint not null default 0,
    upload_signature text not null,
    bucket_id text not null references storage.buckets (id),
    key text not null collate "C",
    version text not null,
    owner_id text,
    created_at timestamptz not null default now(),
    user_metadata jsonb,
    metadata jsonb
);
create index idx_multipart_uploads_list on storage.s3_multipart_uploads
    (bucket_id, key, created_at);

create table storage.s3_multipart_uploads_parts (
    id uuid primary key default gen_random_uuid(),
    upload_id text not null references storage.s3_multipart_uploads (id) on delete cascade,
    size bigint not null default 0,
    part_number integer not null,
    bucket_id text not null references storage.buckets (id),
    key text not null collate "C",
    etag text not null,
    owner_id text,
    version text not null,
    created_at timestamptz not null default now()
);

create function storage.foldername(name text) returns text[]
    language sql immutable
    as $body$ select (string_to_array(name, '/'))[1 : cardinality(string_to_array(name, '/')) - 1] $body$;

create function storage.filename(name text) returns text
    language sql immutable
    as $body$ select (string_to_array(name, '/'))[cardinality(string_to_array(name, '/'))] $body$;

create function storage.extension(name text) returns text
    language sql immutable
    as $body$ select split_part(split_part(name, '/', -1), '.', -1) $body$;

create function storage.get_size_by_bucket() returns table (size bigint, bucket_id text)
    language sql stable
    as $body$
    select sum((object.metadata ->> 'size')::bigint)::bigint, object.bucket_id
    from storage.objects as object
    group by object.bucket_id
$body$;

-- Tries the insert as the caller and takes it back; success is the error PT200.
create function storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb)
    returns void
    language plpgsql
    as $body$
begin
    insert into storage.objects (bucket_id, name, owner, metadata)
    values (bucketid, name, owner, metadata);
    raise sqlstate 'PT200' using
        message = 'ROLLBACK', detail = 'rollback successful insert';
end
$body$;

create function storage.operation() returns text
    language sql stable
    as $body$ select current_setting('storage.operation', true) $body$;

-- Names are compared with and without the prefix "storage.".
create function storage.allow_any_operation(expected_operations text[]) returns boolean
    language sql stable
    as $body$
    select exists (
        select from unnest(expected_operations) as expected (name)
        where regexp_replace(expected.name, '^storage\.', '')
            = regexp_replace(storage.operation(), '^storage\.', ''))
$body$;

create function storage.allow_only_operation(expected_operation text) returns boolean
    language sql stable
    as $body$ select storage.allow_any_operation(array[expected_operation]) $body$;

create function storage.protect_delete() returns trigger
    language plpgsql
    as $body$
begin
    if coalesce(current_setting('storage.allow_delete_query', true), 'false') <> 'true' then
        raise exception using
            errcode = '42501',
            message = 'Direct deletion from storage tables is not allowed. Use the Storage API instead.',
            hint = 'This prevents accidental data loss from orphaned objects.';
    end if;
    return null;
end
$body$;

create function storage.update_updated_at_column() returns trigger
    language plpgsql
    as $body$
begin
    new.updated_at = now();
    return new;
end
$body$;

create function storage.enforce_bucket_name_length() returns trigger
    language plpgsql
    as $body$
begin
    if length(new.name) > 100 then
        raise exception 'bucket name "%" is too long (% characters). Max is 100.',
            new.name, length(new.name);
    end if;
    return new;
end
$body$;

create trigger protect_buckets_delete before delete on storage.buckets
    for each statement execute function storage.protect_delete();
create trigger protect_objects_delete before delete on storage.objects
    for each statement execute function storage.protect_delete();
create trigger update_objects_updated_at before update on storage.objects
    for each row execute function storage.update_updated_at_column();
create trigger enforce_bucket_name_length_trigger before insert or update of name on storage.buckets
    for each row execute function storage.enforce_bucket_name_length();

alter table storage.migrations enable row level security;
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
alter table storage.s3_multipart_uploads enable row level security;
alter table storage.s3_multipart_uploads_parts enable row level security;

grant all on schema storage to postgres with grant option;
grant usage on schema storage to anon, authenticated, service_role;
grant all on schema storage to dashboard_user;
grant all on storage.buckets, storage.objects to postgres with grant option;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;
grant all on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts to service_role;
grant select on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts
    to anon, authenticated, postgres;
grant all on all routines in schema storage to postgres, dashboard_user;
alter default privileges for role supabase_storage_admin in schema storage
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_storage_admin in schema storage
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_storage_admin in schema storage
    grant all on functions to postgres, anon, authenticated, service_role;
