-- Who sees a change: functions of one session (pg_temp), made when the dedicated connection opens,
-- so they are always those of the running code and leave nothing in the user's schemas.
-- The session belongs to supabase_realtime_admin with search_path = pg_catalog. What users have
-- written (policies, types, operators) runs as the subscriber's role inside a subtransaction that is
-- always rolled back (by GV000, an exception of our own; variables keep the answers): it leaves
-- nothing behind and cannot change what is asked after it.

-- The name of a type as gavan_columns gives it, the slow way.
create function pg_temp.gavan_type(viewer_role text, named oid) returns text
    language sql stable
    as $body$
with recursive standing (oid) as (
    select named
    union all
    select domain.typbasetype from standing
    join pg_type as domain on domain.oid = standing.oid and domain.typtype = 'd'
)
select case
        when has_schema_privilege(viewer_role, type.typnamespace, 'usage')
        then format_type(type.oid, -1)
        when type.typcategory = 'A' then 'text[]'
        else 'text'
    end
from standing
join pg_type as type on type.oid = standing.oid and type.typtype <> 'd'
$body$;

-- The columns of a table with their types as a role may name them: a domain by what it stands on,
-- and a type whose schema is closed to the role as text.
create function pg_temp.gavan_columns(relation oid, viewer_role text)
    returns table (name text, type_name text)
    language sql stable
    as $body$
select attribute.attname::text,
    case
        when type.typtype <> 'd' and has_schema_privilege(viewer_role, type.typnamespace, 'usage')
        then format_type(type.oid, -1)
        else pg_temp.gavan_type(viewer_role, type.oid)
    end
from pg_attribute as attribute
join pg_type as type on type.oid = attribute.atttypid
where attribute.attrelid = relation and attribute.attnum > 0 and not attribute.attisdropped
$body$;

-- Our own statements keep their plans: to make them takes longer than to run them.

-- The expressions of sets of conditions over a parameter, the row's text values as jsonb; null for
-- sets that are not used. A column that the row does not carry matches nothing, negated or not;
-- neither does NULL.
create function pg_temp.gavan_expressions(
    relation oid, viewer_role text, parameter text, sets jsonb, used integer[]
) returns text
    language plpgsql stable set plan_cache_mode = force_generic_plan
    as $body$
#variable_conflict use_column
begin
    return (
        select coalesce(string_agg(coalesce(expression, 'null'), ', ' order by number), 'null')
        from jsonb_array_elements(sets) with ordinality as one (conditions, number)
        left join unnest(used) as asked (place) on asked.place = number - 1
        left join lateral (
            select string_agg(
                -- A column that was dropped or renamed since the subscription matches nothing either.
                case when type_name is null then 'false' else format(
                    'coalesce((%1$s ? %2$L) and %3$s(%4$s), false)', parameter, condition ->> 0,
                    case when (condition ->> 3)::boolean then 'not ' else '' end,
                    case condition ->> 1
                        when 'in' then format('%1$s = any (%3$L::%2$s[])',
                            typed_value, type_name, condition ->> 2)
                        when 'is' then format('%s is %s', typed_value,
                            case condition ->> 2 when 'true' then 'true' when 'false' then 'false'
                                when 'unknown' then 'unknown' else 'null' end)
                        when 'isdistinct' then format('%s is distinct from %s::%s', typed_value,
                            case when condition ->> 2 = 'null' then 'null'
                                else quote_literal(condition ->> 2) end, type_name)
                        when 'like' then format('%s ~~ %L', typed_value, condition ->> 2)
                        when 'ilike' then format('%s ~~* %L', typed_value, condition ->> 2)
                        when 'match' then format('%s ~ %L', typed_value, condition ->> 2)
                        when 'imatch' then format('%s ~* %L', typed_value, condition ->> 2)
                        else format('%s %s %L::%s', typed_value,
                            case condition ->> 1 when 'eq' then '=' when 'neq' then '<>' when 'lt' then '<'
                                when 'lte' then '<=' when 'gt' then '>' when 'gte' then '>=' end,
                            condition ->> 2, type_name)
                    end) end,
                ' and ') as expression
            from jsonb_array_elements(conditions) as condition
            left join lateral (
                select type_name,
                    format('(%s ->> %L)::%s', parameter, condition ->> 0, type_name) as typed_value
                from pg_temp.gavan_columns(relation, viewer_role) as known
                where known.name = condition ->> 0
            ) as typed on true
            where asked.place is not null
        ) as built on true
    );
end
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
    expressions := pg_temp.gavan_expressions(
        relation, viewer_role, '$1', jsonb_build_array(conditions), array[0]);
    perform '' ~ (condition ->> 2) from jsonb_array_elements(conditions) as condition
    where condition ->> 1 in ('match', 'imatch');
    begin
        perform set_config('search_path', 'pg_catalog, public, extensions', true),
            set_config('role', viewer_role, true);
        execute 'select ' || expressions using jsonb '{}';
        raise sqlstate 'GV000';
    exception when sqlstate 'GV000' then
        null;
    end;
end
$body$;

-- The query of text values as typed JSON, under the type's own output: what to_jsonb says, bytea
-- without \x. present: the columns that any of the rows carries.
create function pg_temp.gavan_values_query(
    relation oid, viewer_role text, parameter text, present text[]
) returns text
    language plpgsql stable set plan_cache_mode = force_generic_plan
    as $body$
#variable_conflict use_column
begin
    return (
        select coalesce('select coalesce(jsonb_object_agg(name, value), ''{}'') from (values '
            || string_agg(format(
                case when type_name = 'bytea'
                    then '(%1$L, to_jsonb(substr(%3$s ->> %1$L, 3)))'
                    else '(%1$L, to_jsonb((%3$s ->> %1$L)::%2$s))' end,
                name, type_name, parameter), ', ')
            || format(') as typed (name, value) where %s ? name', parameter),
            'select jsonb ''{}''')
        from pg_temp.gavan_columns(relation, viewer_role)
        where name = any (present)
    );
end
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

-- What one role makes of changes: of each [new values, old values, sets of conditions that hit], and
-- which of the viewers that a hit leads to (seen_by) see which of the rows (seen: their places).
-- asked: as groups of gavan_deliver.
create function pg_temp.gavan_look(
    viewer_role text, reading text, existence text, new_rows jsonb[], old_rows jsonb[],
    viewers jsonb, asked jsonb,
    out typed jsonb[], out seen_by integer[], out seen integer[]
)
    language plpgsql set plan_cache_mode = auto
    as $body$
declare
    number integer;
    found integer[];
    is_done boolean := false;
begin
    seen_by := '{}';
    seen := '{}';
    if exists (select from pg_prepared_statements where name = 'gavan_visible') then
        deallocate gavan_visible;
    end if;
    begin
        perform set_config('search_path', 'pg_catalog, public, extensions', true),
            set_config('role', viewer_role, true);
        execute reading into typed using new_rows, old_rows;
        if existence is not null then
            execute existence;
            for number in
                with hit as (
                    select distinct place - 1 as place
                    from unnest(typed) as one
                    cross join jsonb_array_elements(one -> 2) with ordinality as held (is_hit, place)
                    where is_hit = 'true'
                )
                select distinct (one ->> 1)::integer from jsonb_array_elements(asked) as one
                where one ->> 0 is null or (one ->> 0)::integer in (select place from hit)
            loop
                begin
                    perform set_config('request.jwt.claims', viewers -> number ->> 1, true);
                    execute 'execute gavan_visible' into found;
                    if found is not null then
                        seen := seen || found;
                        seen_by := seen_by || array_fill(number, array[cardinality(found)]);
                    end if;
                    raise sqlstate 'GV000';
                exception
                    when sqlstate 'GV000' then
                        null;
                    when others then
                        raise log 'gavan: a policy failed for a subscriber: %', sqlerrm;
                end;
            end loop;
        end if;
        is_done := true;
        raise sqlstate 'GV000';
    exception
        when sqlstate 'GV000' then
            null;
        when insufficient_privilege then
            raise log 'gavan: the role % is shown nothing: %', viewer_role, sqlerrm;
            typed := null;
            is_done := true;
    end;
    if not is_done then
        raise exception 'a type of the table raised GV000';
    end if;
end
$body$;

-- Changes of one table and action for all who asked: of each change, by its number from 0, one row
-- per shape of payload with the groups that get it.
-- conditions: sets; viewers: [role, claims]; shapes: [role, columns or null];
-- groups: [index of set or null, index of viewer, index of shape]; all from 0.
create function pg_temp.gavan_deliver(
    relation oid, action text, transaction_ids bigint[], new_rows jsonb[], old_rows jsonb[],
    larges boolean[], conditions jsonb, viewers jsonb, shapes jsonb, groups jsonb
) returns table (number integer, members integer[], columns text, record text, old_record text,
    error text)
    language plpgsql set plan_cache_mode = force_generic_plan
    as $body$
#variable_conflict use_column
declare
    has_rls boolean;
    keys text[];
    denied text[];
    new_names text[];
    old_names text[];
    places integer[];
    existence text;
    transaction_id bigint;
    turn record;
    look record;
begin
    select class.relrowsecurity into has_rls from pg_class as class where class.oid = relation;
    if not found then
        return;
    end if;
    select coalesce(array_agg(attribute.attname::text), '{}') into keys
    from pg_index as index
    join pg_attribute as attribute on attribute.attrelid = index.indrelid
        and attribute.attnum = any (index.indkey)
    where index.indrelid = relation and index.indisprimary;

    if action <> 'DELETE' and keys = '{}' then
        return query select change - 1, array_agg((position - 1)::integer),
            '[]', '{}', '{}', 'Error 400: Bad Request, no primary key'
        from generate_series(1, cardinality(new_rows)) as change
        cross join jsonb_array_elements(groups) with ordinality as entry (one, position)
        group by 1;
        return;
    end if;

    -- A role that may not read the key learns only that something happened.
    select coalesce(array_agg(viewer_role), '{}') into denied
    from (
        select distinct viewers -> (one ->> 1)::integer ->> 0 as viewer_role
        from jsonb_array_elements(groups) as one
    ) as roles
    where exists (
        select from unnest(keys) as key
        where not has_column_privilege(viewer_role, relation, key, 'select'));
    if denied <> '{}' then
        return query select change - 1, array_agg((position - 1)::integer),
            '[]', '{}', '{}', 'Error 401: Unauthorized'
        from generate_series(1, cardinality(new_rows)) as change
        cross join jsonb_array_elements(groups) with ordinality as entry (one, position)
        where viewers -> (one ->> 1)::integer ->> 0 = any (denied)
        group by 1;
    end if;

    -- Each viewer is asked once, however many the rows are: their distinct keys have places.
    if has_rls and action <> 'DELETE' then
        with wanted as (
            select change, string_agg(format('%I = %L', key, new_row ->> key), ' and ') as condition
            from unnest(new_rows) with ordinality as given (new_row, change)
            cross join unnest(keys) as key
            group by change
        ), placed as (
            select change, condition, dense_rank() over (order by condition) as place from wanted
        ), distinct_places as (
            select distinct condition, place from placed
        )
        select (select array_agg(place::integer order by change) from placed),
            format('prepare gavan_visible as select array_agg(case %s end) from %s where %s',
                string_agg(format('when %s then %s', condition, place), ' ' order by place),
                relation::regclass, string_agg(format('(%s)', condition), ' or ' order by place))
        into places, existence from distinct_places;
        foreach transaction_id in array transaction_ids loop
            perform pg_temp.gavan_await(transaction_id);
        end loop;
    end if;
    select coalesce(array_agg(distinct name), '{}') into new_names
    from unnest(new_rows) as new_row cross join jsonb_object_keys(new_row) as name;
    select coalesce(array_agg(distinct name), '{}') into old_names
    from unnest(old_rows) as old_row cross join jsonb_object_keys(old_row) as name;

    for turn in
        select viewers -> (one ->> 1)::integer ->> 0 as viewer_role,
            array_agg(distinct (one ->> 0)::integer) filter (where one ->> 0 is not null) as used,
            jsonb_agg(one || to_jsonb(position - 1)) as asked
        from jsonb_array_elements(groups) with ordinality as entry (one, position)
        -- A filter on a column that the role may no longer read would tell by its hits what is in it.
        where viewers -> (one ->> 1)::integer ->> 0 <> all (denied) and not exists (
            select from jsonb_array_elements(conditions -> (one ->> 0)::integer) as condition
            join pg_attribute as attribute on attribute.attrelid = relation
                and attribute.attname = condition ->> 0 and not attribute.attisdropped
            where not has_column_privilege(viewers -> (one ->> 1)::integer ->> 0, relation,
                attribute.attnum, 'select'))
        group by 1
    loop
        look := pg_temp.gavan_look(turn.viewer_role,
            format('select array_agg(jsonb_build_array((%s), (%s), array[%s]::boolean[])'
                ' order by number)'
                ' from unnest($1, $2) with ordinality as change (new_row, old_row, number)',
                pg_temp.gavan_values_query(
                    relation, turn.viewer_role, 'change.new_row', new_names),
                pg_temp.gavan_values_query(
                    relation, turn.viewer_role, 'change.old_row', old_names),
                pg_temp.gavan_expressions(relation, turn.viewer_role,
                    case when action = 'DELETE' then 'change.old_row' else 'change.new_row' end,
                    conditions, turn.used)),
            existence, new_rows, old_rows, viewers, turn.asked);
        return query
        with asked as (
            select (one ->> 0)::integer as condition, (one ->> 1)::integer as viewer,
                (one ->> 2)::integer as shape, (one ->> 3)::integer as member
            from jsonb_array_elements(turn.asked) as one
        ), reached as (
            select change::integer, condition, shape, member
            from generate_subscripts(look.typed, 1) as change cross join asked
            where existence is null
            union all
            select change::integer, condition, shape, member
            from unnest(look.seen_by, look.seen) as seen (viewer, place)
            join unnest(places) with ordinality as given (place, change) using (place)
            join asked using (viewer)
        ), met as (
            select change, shapes -> shape as shape, array_agg(member) as members
            from reached
            where condition is null or look.typed[change] -> 2 -> condition = 'true'
            group by 1, 2
        )
        select met.change - 1, met.members, body.columns, body.record, body.old_record,
            case when large then 'Error 413: Payload Too Large' end
        from met
        cross join lateral (
            select look.typed[met.change] -> 0 as new_values, look.typed[met.change] -> 1 as old_values,
                new_rows[met.change] as new_row, old_rows[met.change] as old_row,
                larges[met.change] as large
        ) as row
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
            where attribute.attrelid = relation and attribute.attnum > 0
                and not attribute.attisdropped
                and has_column_privilege(met.shape ->> 0, relation, attribute.attnum, 'select')
                and (jsonb_typeof(met.shape -> 1) = 'null'
                    or (met.shape -> 1) ? attribute.attname::text
                    or attribute.attname = any (keys))
        ) as body;
    end loop;
end
$body$;
