-- Listing objects (contract storage.md 5), with upstream's names and signatures
-- (supabase/storage:migrations/tenant 0050, 0063) and as the caller: policies bind every row.
--
-- Names lie in the order of their bytes. What begins with x lies between x and x followed by the
-- last character of Unicode, and the next name after x is x followed by the first one. Folders with
-- few objects are read through, the others stepped over by one descent of the index.
--
-- Comparisons only: LIKE may not look into an index before a policy has spoken, for its errors
-- could tell of hidden rows. lower() may, since the bootstrap says that it has none (ADR 0016).
set local role supabase_storage_admin;

-- "data/" and "data/a/b" give "data/a/"; nothing when no delimiter follows the prefix.
create function storage.get_common_prefix(p_key text, p_prefix text, p_delimiter text) returns text
    language sql immutable
    as $body$
    select left(p_key, length(p_prefix) + length(p_delimiter) - 1
        + nullif(position(nullif(p_delimiter, '') in substr(p_key, length(p_prefix) + 1)), 0))
$body$;

-- Folders come without their delimiter and without an id. start_after is a name as it came;
-- next_token says the same exactly: with the delimiter for a folder.
create function storage.list_objects_with_delimiter(
    _bucket_id text,
    prefix_param text,
    delimiter_param text,
    max_keys integer default 100,
    start_after text default '',
    next_token text default '',
    sort_order text default 'asc'
) returns table (
    name text,
    id uuid,
    metadata jsonb,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz
)
    language plpgsql stable
    as $body$
declare
    v_last constant text := chr(1114111);
    v_is_asc constant boolean := lower(coalesce(sort_order, 'asc')) = 'asc';
    v_prefix constant text := coalesce(prefix_param, '');
    v_from text := v_prefix;
    v_before text := v_prefix || v_last;
    v_after text := coalesce(nullif(next_token, ''), start_after, '');
    v_left integer := max_keys;
    v_folder text;
    v_next text;
    v_repeats integer := 0;
    v_rows refcursor;
    v_object record;
begin
    if coalesce(next_token, '') = '' and v_after <> '' and exists (
        select from storage.objects as o
        where o.bucket_id = _bucket_id
            and o.name collate "C" >= v_after || delimiter_param
            and o.name collate "C" < v_after || delimiter_param || v_last
    ) then
        v_after := v_after || delimiter_param;
    end if;
    if v_after <> '' then
        v_next := storage.get_common_prefix(v_after, v_prefix, delimiter_param);
        if v_is_asc then
            v_from := greatest(v_from collate "C", coalesce(v_next || v_last, v_after || chr(1)));
        else
            v_before := least(v_before collate "C", coalesce(v_next, v_after));
        end if;
    end if;

    loop
        if v_is_asc then
            open v_rows no scroll for
                select o.name, o.id, o.metadata, o.updated_at, o.created_at, o.last_accessed_at
                from storage.objects as o
                where o.bucket_id = _bucket_id
                    and o.name collate "C" >= v_from and o.name collate "C" < v_before
                order by o.name collate "C";
        else
            open v_rows no scroll for
                select o.name, o.id, o.metadata, o.updated_at, o.created_at, o.last_accessed_at
                from storage.objects as o
                where o.bucket_id = _bucket_id
                    and o.name collate "C" >= v_from and o.name collate "C" < v_before
                order by o.name collate "C" desc;
        end if;
        loop
            exit when v_left <= 0;
            fetch v_rows into v_object;
            exit when not found;
            v_next := storage.get_common_prefix(v_object.name, v_prefix, delimiter_param);
            if v_next = v_folder then
                -- A name with the last character of Unicode is not stepped over, but read.
                if not v_is_asc or v_from <> v_folder || v_last then
                    v_repeats := v_repeats + 1;
                end if;
                exit when v_repeats = 8;
                continue;
            end if;
            v_folder := v_next;
            v_repeats := 0;
            if v_folder is null then
                name := v_object.name;
                id := v_object.id;
                metadata := v_object.metadata;
                updated_at := v_object.updated_at;
                created_at := v_object.created_at;
                last_accessed_at := v_object.last_accessed_at;
            else
                name := left(v_folder, -length(delimiter_param));
                id := null;
                metadata := null;
                updated_at := null;
                created_at := null;
                last_accessed_at := null;
            end if;
            return next;
            v_left := v_left - 1;
        end loop;
        close v_rows;
        exit when v_repeats < 8;
        v_repeats := 0;
        if v_is_asc then
            v_from := v_folder || v_last;
        else
            v_before := v_folder;
        end if;
    end loop;
end
$body$;

-- A folder is as old as the oldest object in it. Times count in milliseconds, as clients see them;
-- p_start_after is exact: with the delimiter for a folder.
create function storage.search_by_timestamp(
    p_prefix text,
    p_bucket_id text,
    p_limit integer,
    p_level integer,
    p_start_after text,
    p_sort_order text,
    p_sort_column text,
    p_sort_column_after text
) returns table (
    key text,
    name text,
    id uuid,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz,
    metadata jsonb
)
    language plpgsql stable
    as $body$
begin
    return query execute format($query$
        with found as (
            select o.*, storage.get_common_prefix(o.name, $1, '/') as folder
            from storage.objects as o
            where o.bucket_id = $2
                and o.name collate "C" >= $1 and o.name collate "C" < $1 || chr(1114111)
        ), entry as (
            select left(folder, -1) as name, folder as place, null::uuid as id,
                min(created_at) as updated_at, min(created_at) as created_at,
                null::timestamptz as last_accessed_at, null::jsonb as metadata
            from found where folder is not null group by folder
            union all
            select name, name, id, updated_at, created_at, last_accessed_at, metadata
            from found where folder is null
        ), timed as (
            select *, coalesce(date_trunc('milliseconds', %1$I), 'epoch') as at from entry
        )
        select split_part(name, '/', $3), name, id, updated_at, created_at, last_accessed_at,
            metadata
        from timed
        where $5 = '' or (at, place collate "C") %2$s (coalesce($6, 'epoch'), $5)
        order by at %3$s, place collate "C" %3$s
        limit $4
        $query$,
        p_sort_column,
        case when p_sort_order = 'asc' then '>' else '<' end,
        case when p_sort_order = 'asc' then 'asc' else 'desc' end)
    using coalesce(p_prefix, ''), p_bucket_id, p_level, p_limit, coalesce(p_start_after, ''),
        nullif(p_sort_column_after, '')::timestamptz;
end
$body$;

create function storage.search_v2(
    prefix text,
    bucket_name text,
    limits integer default 100,
    levels integer default 1,
    start_after text default '',
    sort_order text default 'asc',
    sort_column text default 'name',
    sort_column_after text default ''
) returns table (
    key text,
    name text,
    id uuid,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz,
    metadata jsonb
)
    language plpgsql stable
    as $body$
declare
    v_limit constant integer := least(coalesce(limits, 100), 1500);
    v_order constant text := case lower(sort_order) when 'desc' then 'desc' else 'asc' end;
    v_column constant text := lower(sort_column);
begin
    if v_column in ('updated_at', 'created_at') then
        return query select * from storage.search_by_timestamp(
            prefix, bucket_name, v_limit, levels,
            start_after || case when exists (
                select from storage.objects as o
                where o.bucket_id = bucket_name
                    and o.name collate "C" >= start_after || '/'
                    and o.name collate "C" < start_after || '/' || chr(1114111)
            ) then '/' else '' end,
            v_order, v_column, sort_column_after);
    else
        return query select split_part(l.name, '/', levels), l.name, l.id, l.updated_at,
            l.created_at, l.last_accessed_at, l.metadata
        from storage.list_objects_with_delimiter(
            bucket_name, prefix, '/', v_limit, start_after, '', v_order) as l;
    end if;
end
$body$;

-- The older listing: whatever the case, names relative to the prefix, pages by offset. A search
-- goes on where the prefix ends. By name folders stand among objects, by a time before them.
create function storage.search(
    prefix text,
    bucketname text,
    limits integer default 100,
    levels integer default 1,
    offsets integer default 0,
    search text default '',
    sortcolumn text default 'name',
    sortorder text default 'asc'
) returns table (
    name text,
    id uuid,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz,
    metadata jsonb
)
    language plpgsql stable
    as $body$
declare
    v_last constant text := chr(1114111);
    v_is_asc constant boolean := lower(coalesce(sortorder, 'asc')) = 'asc';
    v_column constant text := lower(coalesce(sortcolumn, 'name'));
    v_relative constant integer := length(coalesce(prefix, '')) + 1;
    v_start constant text := lower(coalesce(prefix, '') || coalesce(search, ''));
    v_from text := v_start;
    v_before text := v_start || v_last;
    v_left integer := least(coalesce(limits, 100), 1500);
    v_skip integer := coalesce(offsets, 0);
    v_folder text;
    v_next text;
    v_repeats integer := 0;
    v_rows refcursor;
    v_object record;
begin
    if v_column in ('updated_at', 'created_at', 'last_accessed_at') then
        return query execute format($query$
            with found as (
                select substr(o.name, $4) as relative, o.id, o.updated_at, o.created_at,
                    o.last_accessed_at, o.metadata,
                    substr(left(storage.get_common_prefix(o.name, $1, '/'), -1), $4) as folder
                from storage.objects as o
                where o.bucket_id = $2
                    and lower(o.name) collate "C" >= $1 and lower(o.name) collate "C" < $3
            ), entry as (
                select folder as name, null::uuid as id,
                    null::timestamptz as updated_at, null::timestamptz as created_at,
                    null::timestamptz as last_accessed_at, null::jsonb as metadata
                from found where folder is not null group by folder
                union all
                select relative, id, updated_at, created_at, last_accessed_at, metadata
                from found where folder is null
            )
            select * from entry
            order by id is not null, %1$I %2$s, name collate "C" %2$s
            limit $5 offset $6
            $query$, v_column, case when v_is_asc then 'asc' else 'desc' end)
        using v_start, bucketname, v_before, v_relative, v_left, v_skip;
        return;
    end if;

    loop
        if v_is_asc then
            open v_rows no scroll for
                select o.name, o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata
                from storage.objects as o
                where o.bucket_id = bucketname
                    and lower(o.name) collate "C" >= v_from and lower(o.name) collate "C" < v_before
                order by lower(o.name) collate "C";
        else
            open v_rows no scroll for
                select o.name, o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata
                from storage.objects as o
                where o.bucket_id = bucketname
                    and lower(o.name) collate "C" >= v_from and lower(o.name) collate "C" < v_before
                order by lower(o.name) collate "C" desc;
        end if;
        loop
            exit when v_left <= 0;
            fetch v_rows into v_object;
            exit when not found;
            v_next := storage.get_common_prefix(v_object.name, v_start, '/');
            if lower(v_next) = v_folder then
                if not v_is_asc or v_from <> v_folder || v_last then
                    v_repeats := v_repeats + 1;
                end if;
                exit when v_repeats = 8;
                continue;
            end if;
            v_folder := lower(v_next);
            v_repeats := 0;
            if v_skip > 0 then
                v_skip := v_skip - 1;
                continue;
            elsif v_folder is null then
                name := substr(v_object.name, v_relative);
                id := v_object.id;
                updated_at := v_object.updated_at;
                created_at := v_object.created_at;
                last_accessed_at := v_object.last_accessed_at;
                metadata := v_object.metadata;
            else
                name := substr(left(v_next, -1), v_relative);
                id := null;
                updated_at := null;
                created_at := null;
                last_accessed_at := null;
                metadata := null;
            end if;
            return next;
            v_left := v_left - 1;
        end loop;
        close v_rows;
        exit when v_repeats < 8;
        v_repeats := 0;
        if v_is_asc then
            v_from := v_folder || v_last;
        else
            v_before := v_folder;
        end if;
    end loop;
end
$body$;

-- Uploads in progress. Folders come with their delimiter and the id of their first upload.
create function storage.list_multipart_uploads_with_delimiter(
    bucket_id text,
    prefix_param text,
    delimiter_param text,
    max_keys integer default 100,
    next_key_token text default '',
    next_upload_token text default ''
) returns table (
    key text,
    id text,
    created_at timestamptz
)
    language plpgsql
    as $body$
declare
    v_last constant text := chr(1114111);
begin
    return query
    with found as (
        select storage.get_common_prefix(u.key, prefix_param, delimiter_param) as folder,
            u.key, u.id, u.created_at
        from storage.s3_multipart_uploads as u
        where u.bucket_id = $1
            and u.key >= prefix_param and u.key < prefix_param || v_last
    ), entry as (
        select distinct on (coalesce(found.folder, found.key), found.folder is null,
                case when found.folder is null then found.id end)
            coalesce(found.folder, found.key) as key, found.id, found.created_at, found.folder
        from found
        order by coalesce(found.folder, found.key), found.folder is null,
            case when found.folder is null then found.id end, found.id
    )
    select entry.key, entry.id, entry.created_at
    from entry
    where entry.key > coalesce(next_key_token, '')
        or (entry.key = next_key_token and entry.folder is null
            and entry.id > nullif(next_upload_token, ''))
    order by entry.key, entry.id
    limit max_keys;
end
$body$;

reset role;
