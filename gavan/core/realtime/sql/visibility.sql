-- Who sees a change: functions of one session (pg_temp), made when the dedicated connection opens,
-- so they are always those of the running code and leave nothing in the user's schemas.
-- The session belongs to a superuser with search_path = pg_catalog. Nothing of a user's ever runs as
-- that superuser: types and operators run as the table's owner, policies as the subscriber's role.

-- The expression of each set of conditions over $1, the row's text values as jsonb.
-- A column that the row does not carry matches nothing, negated or not; neither does NULL.
create function pg_temp.gavan_expressions(relation oid, sets jsonb) returns text
    language sql stable
    as $body$
select coalesce(string_agg(expression, ', ' order by number), 'null::boolean')
from (
    select number, string_agg(
        -- A column that was dropped or renamed since the subscription matches nothing either.
        case when type_name is null then 'false' else format(
            'coalesce(($1 ? %1$L) and %2$s(%3$s), false)',
            condition ->> 0,
            case when (condition ->> 3)::boolean then 'not ' else '' end,
            case condition ->> 1
                when 'in' then format('(($1 ->> %1$L)::%2$s = any (%3$L::%2$s[]))',
                    condition ->> 0, type_name, condition ->> 2)
                when 'is' then format('(($1 ->> %L)::%s is %s)', condition ->> 0, type_name,
                    case condition ->> 2 when 'true' then 'true' when 'false' then 'false'
                        when 'unknown' then 'unknown' else 'null' end)
                when 'isdistinct' then format('(($1 ->> %1$L)::%2$s is distinct from %3$s::%2$s)',
                    condition ->> 0, type_name,
                    case when condition ->> 2 = 'null' then 'null'
                        else quote_literal(condition ->> 2) end)
                when 'like' then format('(($1 ->> %L)::%s ~~ %L)',
                    condition ->> 0, type_name, condition ->> 2)
                when 'ilike' then format('(($1 ->> %L)::%s ~~* %L)',
                    condition ->> 0, type_name, condition ->> 2)
                when 'match' then format('(($1 ->> %L)::%s ~ %L)',
                    condition ->> 0, type_name, condition ->> 2)
                when 'imatch' then format('(($1 ->> %L)::%s ~* %L)',
                    condition ->> 0, type_name, condition ->> 2)
                else format('(($1 ->> %1$L)::%2$s %4$s %3$L::%2$s)',
                    condition ->> 0, type_name, condition ->> 2,
                    case condition ->> 1 when 'eq' then '=' when 'neq' then '<>' when 'lt' then '<'
                        when 'lte' then '<=' when 'gt' then '>' when 'gte' then '>=' end)
            end) end,
        ' and ') as expression
    from jsonb_array_elements(sets) with ordinality as one (conditions, number)
    cross join jsonb_array_elements(conditions) as condition
    left join lateral (
        select format_type(attribute.atttypid, -1) as type_name
        from pg_attribute as attribute
        where attribute.attrelid = relation and attribute.attname = condition ->> 0
            and attribute.attnum > 0 and not attribute.attisdropped
    ) as known on true
    group by number
) as expressions
$body$;

-- Raise what is wrong with a subscription; return nothing when all is well.
create function pg_temp.gavan_check(
    relation oid, viewer_role text, conditions jsonb, wanted jsonb
) returns void
    language plpgsql
    as $body$
declare
    name text;
    expressions text;
begin
    if to_regrole(quote_ident(viewer_role)) is null or (
        to_regrole('authenticator') is not null
        and not pg_has_role('authenticator', viewer_role, 'member')
    ) then
        raise exception 'role "%" may not subscribe', viewer_role;
    end if;
    for name in select condition ->> 0 from jsonb_array_elements(conditions) as condition loop
        if not exists (
            select from pg_attribute as attribute
            where attribute.attrelid = relation and attribute.attname = name
                and attribute.attnum > 0 and not attribute.attisdropped
                and has_column_privilege(viewer_role, relation, attribute.attnum, 'select')
        ) then
            raise exception 'invalid column for filter %', name;
        end if;
    end loop;
    for name in select jsonb_array_elements_text(coalesce(wanted, '[]')) loop
        if not exists (
            select from pg_attribute as attribute
            where attribute.attrelid = relation and attribute.attname = name
                and attribute.attnum > 0 and not attribute.attisdropped
        ) then
            raise exception 'invalid column for select %', name;
        end if;
    end loop;
    if jsonb_array_length(conditions) = 0 then
        return;
    end if;
    expressions := pg_temp.gavan_expressions(relation, jsonb_build_array(conditions));
    perform '' ~ (condition ->> 2) from jsonb_array_elements(conditions) as condition
    where condition ->> 1 in ('match', 'imatch');
    perform set_config('search_path', 'pg_catalog, public, extensions', true),
        set_config('role', (select pg_get_userbyid(relowner) from pg_class where oid = relation), true);
    execute 'select ' || expressions using jsonb '{}';
    perform set_config('role', 'none', true), set_config('search_path', 'pg_catalog', true);
end
$body$;

-- Text values as typed JSON, under the type's own output: what to_jsonb says, bytea without \x.
create function pg_temp.gavan_values_query(relation oid, source jsonb) returns text
    language sql stable
    as $body$
select coalesce('select jsonb_object_agg(name, value) from (values '
    || string_agg(format(
        case when attribute.atttypid = 'bytea'::regtype
            then '(%1$L, to_jsonb(substr($1 ->> %1$L, 3)))'
            else '(%1$L, to_jsonb(($1 ->> %1$L)::%2$s))' end,
        attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)), ', ')
    || ') as typed (name, value)', 'select jsonb ''{}''')
from pg_attribute as attribute
where attribute.attrelid = relation and attribute.attnum > 0 and not attribute.attisdropped
    and source ? attribute.attname
$body$;

-- Wait until a transaction that the stream has sent is committed for everybody: its commit record is
-- flushed, and streamed, a moment before other sessions see its rows.
create function pg_temp.gavan_await(transaction_id bigint) returns void
    language plpgsql
    as $body$
declare
    top bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    -- The stream has the low 32 bits: the nearest number with these is meant.
    distance bigint := (transaction_id - top % 4294967296 + 6442450944) % 4294967296 - 2147483648;
begin
    while pg_xact_status((top + distance)::text::xid8) = 'in progress' loop
        perform pg_sleep(0.0005);
    end loop;
end
$body$;

-- One change for all who asked: one row per shape of payload, with the groups that get it.
-- conditions: sets; viewers: [role, claims]; shapes: [role, columns or null];
-- groups: [index of set or null, index of viewer, index of shape]; all from 0.
create function pg_temp.gavan_deliver(
    relation oid, action text, transaction_id bigint, new_row jsonb, old_row jsonb, large boolean,
    conditions jsonb, viewers jsonb, shapes jsonb, groups jsonb
) returns table (shape integer, members integer[], columns text, record text, old_record text,
    error text)
    language plpgsql
    as $body$
#variable_conflict use_column
declare
    table_owner text;
    has_rls boolean;
    keys text[];
    expressions text;
    existence text;
    new_query text;
    old_query text;
    hits boolean[];
    passing boolean[];
    needed integer[];
    visible boolean[];
    denied boolean[];
    seen boolean;
    number integer;
    new_values jsonb := '{}';
    old_values jsonb := '{}';
begin
    select pg_get_userbyid(class.relowner), class.relrowsecurity into table_owner, has_rls
    from pg_class as class where class.oid = relation;
    if not found then
        return;
    end if;
    select coalesce(array_agg(attribute.attname::text), '{}') into keys
    from pg_index as index
    join pg_attribute as attribute on attribute.attrelid = index.indrelid
        and attribute.attnum = any (index.indkey)
    where index.indrelid = relation and index.indisprimary;

    if action <> 'DELETE' and keys = '{}' then
        return query select (one ->> 2)::integer, array_agg((position - 1)::integer),
            '[]', '{}', '{}', 'Error 400: Bad Request, no primary key'
        from jsonb_array_elements(groups) with ordinality as entry (one, position)
        group by (one ->> 2)::integer;
        return;
    end if;

    -- A role that may not read the key learns only that something happened.
    select array_agg(exists (
        select from unnest(keys) as key
        where not has_column_privilege(one ->> 0, relation, key, 'select')) order by position)
    into denied from jsonb_array_elements(shapes) with ordinality as entry (one, position);
    if true = any (denied) then
        return query select (one ->> 2)::integer, array_agg((position - 1)::integer),
            '[]', '{}', '{}', 'Error 401: Unauthorized'
        from jsonb_array_elements(groups) with ordinality as entry (one, position)
        where denied[(one ->> 2)::integer + 1]
        group by (one ->> 2)::integer;
    end if;

    expressions := pg_temp.gavan_expressions(relation, conditions);
    new_query := pg_temp.gavan_values_query(relation, new_row);
    old_query := pg_temp.gavan_values_query(relation, old_row);
    if has_rls and action <> 'DELETE' then
        select format('prepare gavan_visible as select exists (select 1 from %s where %s)',
            relation::regclass, string_agg(format('%I = %L::%s', attribute.attname,
                new_row ->> attribute.attname, format_type(attribute.atttypid, -1)), ' and '))
        into existence from pg_attribute as attribute
        where attribute.attrelid = relation and attribute.attname = any (keys);
        if exists (select from pg_prepared_statements where name = 'gavan_visible') then
            deallocate gavan_visible;
        end if;
    end if;

    if existence is not null then
        perform pg_temp.gavan_await(transaction_id);
    end if;
    perform set_config('search_path', 'pg_catalog, public, extensions', true),
        set_config('role', table_owner, true);
    execute 'select array[' || expressions || ']' into hits
        using case when action = 'DELETE' then old_row else new_row end;
    execute new_query into new_values using new_row;
    execute old_query into old_values using old_row;

    -- A filter on a column that the role may no longer read would tell by its hits what is in it.
    select array_agg(not denied[(one ->> 2)::integer + 1] and case
            when one ->> 0 is null then true
            when hits[(one ->> 0)::integer + 1] then not exists (
                select from jsonb_array_elements(conditions -> (one ->> 0)::integer) as condition
                join pg_attribute as attribute on attribute.attrelid = relation
                    and attribute.attname = condition ->> 0 and not attribute.attisdropped
                where not has_column_privilege(shapes -> (one ->> 2)::integer ->> 0, relation,
                    attribute.attnum, 'select'))
            else false end order by position)
    into passing from jsonb_array_elements(groups) with ordinality as entry (one, position);
    select coalesce(array_agg(distinct (one ->> 1)::integer), '{}') into needed
    from jsonb_array_elements(groups) with ordinality as entry (one, position)
    where passing[position];
    visible := array_fill(existence is null, array[jsonb_array_length(viewers)]);
    if existence is not null then
        execute existence;
        foreach number in array needed loop
            begin
                perform set_config('request.jwt.claims', viewers -> number ->> 1, true),
                    set_config('role', viewers -> number ->> 0, true);
                execute 'execute gavan_visible' into seen;
                visible[number + 1] := seen;
            exception when others then
                raise log 'gavan: policy of % failed for a subscriber: %', relation, sqlerrm;
            end;
        end loop;
        deallocate gavan_visible;
    end if;
    perform set_config('role', 'none', true), set_config('search_path', 'pg_catalog', true),
        set_config('request.jwt.claims', '', true);

    return query
    select reached.shape, reached.members, body.columns, body.record, body.old_record,
        case when large then 'Error 413: Payload Too Large' end
    from (
        select (one ->> 2)::integer as shape, array_agg((position - 1)::integer) as members
        from jsonb_array_elements(groups) with ordinality as entry (one, position)
        where passing[position] and visible[(one ->> 1)::integer + 1]
        group by (one ->> 2)::integer
    ) as reached
    cross join lateral (
        select
            coalesce(json_agg(json_build_object('name', attribute.attname, 'type', type.typname)
                order by attribute.attnum), '[]')::text as columns,
            coalesce(json_object_agg(attribute.attname, new_values -> attribute.attname
                order by attribute.attnum) filter (where new_values ? attribute.attname
                    and (not large or octet_length(new_row ->> attribute.attname) <= 64)),
                '{}')::text as record,
            coalesce(json_object_agg(attribute.attname, old_values -> attribute.attname
                order by attribute.attnum) filter (where old_values ? attribute.attname
                    and (not large or octet_length(old_row ->> attribute.attname) <= 64)
                    and (action <> 'DELETE' or not has_rls or attribute.attname = any (keys))),
                '{}')::text as old_record
        from pg_attribute as attribute
        join pg_type as type on type.oid = attribute.atttypid
        where attribute.attrelid = relation and attribute.attnum > 0 and not attribute.attisdropped
            and has_column_privilege(shapes -> reached.shape ->> 0, relation, attribute.attnum,
                'select')
            and (jsonb_typeof(shapes -> reached.shape -> 1) = 'null'
                or (shapes -> reached.shape -> 1) ? attribute.attname::text
                or attribute.attname = any (keys))
    ) as body;
end
$body$;
