-- The objects of a schema, in front of catalogue.sql (what they are) and ddl.sql (how they are made).
-- Left out are members of extensions, histories, and partitions that the realtime service makes by
-- the day. Read with an empty search_path: then every name carries its schema.
with
    space as (
        select n.oid, n.nspname as name, n.nspowner, n.nspacl
        from pg_namespace as n
        where n.nspname not in ('information_schema', 'supabase_migrations', 'gavan')
            and n.nspname not like 'pg\_%'
    ),
    member as (select d.classid, d.objid from pg_depend as d where d.deptype = 'e'),
    relation as (
        select c.*, format('%I.%I', s.name, c.relname) as name
        from pg_class as c
        join space as s on s.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
            and (c.oid not in (select objid from member where classid = 'pg_class'::regclass))
            and not (s.name = 'realtime' and c.relispartition)
            -- What other tools remember stays theirs: golang-migrate, dbmate.
            and not (s.name = 'public' and c.relname = 'schema_migrations' and c.relkind = 'r'
                and (select string_agg(a.attname, ' ' order by a.attnum) from pg_attribute as a
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
                    in ('version', 'version dirty'))
    ),
    routine as (
        select p.*,
            format('%I.%I(%s)', s.name, p.proname, pg_get_function_identity_arguments(p.oid)) as name
        from pg_proc as p
        join space as s on s.oid = p.pronamespace
        where p.oid not in (select objid from member where classid = 'pg_proc'::regclass)
    ),
    type as (
        select t.*, format('%I.%I', s.name, t.typname) as name
        from pg_type as t
        join space as s on s.oid = t.typnamespace
        where t.typtype in ('e', 'd', 'r')
            and t.oid not in (select objid from member where classid = 'pg_type'::regclass)
    ),
    granted as (
        select 'schema' as kind, quote_ident(s.name) as name,
            coalesce(s.nspacl, acldefault('n', s.nspowner)) as acl,
            format(' on schema %I', s.name) as target, '' as start, null::aclitem[] as base
        from space as s
        union all
        select 'relation', r.name,
            coalesce(r.relacl, acldefault(case r.relkind when 'S' then 's' else 'r' end::"char",
                r.relowner)),
            format(' on %s %s', case r.relkind when 'S' then 'sequence' else 'table' end, r.name), '',
            null
        from relation as r
        where r.relkind <> 'c'
        union all
        select 'column', format('%s.%I', r.name, a.attname), a.attacl,
            format(' (%I) on table %s', a.attname, r.name), '', null
        from relation as r
        join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
        where a.attacl is not null
        union all
        select 'function', p.name, coalesce(p.proacl, acldefault('f', p.proowner)),
            format(' on routine %s', p.name), '', null
        from routine as p
        union all
        select 'type', t.name, coalesce(t.typacl, acldefault('T', t.typowner)),
            format(' on type %s', t.name), '', null
        from type as t
        union all
        select 'default privileges', format('%I in %s for %s', pg_get_userbyid(d.defaclrole),
            coalesce(quote_ident(n.nspname), 'every schema'), d.defaclobjtype), d.defaclacl,
            format(' on %s', case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences'
                when 'f' then 'routines' when 'T' then 'types' else 'schemas' end),
            format('alter default privileges for role %I ', pg_get_userbyid(d.defaclrole))
                || coalesce('in schema ' || quote_ident(n.nspname) || ' ', ''),
            case when d.defaclnamespace = 0 then acldefault(
                case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end, d.defaclrole) end
        from pg_default_acl as d
        left join pg_namespace as n on n.oid = d.defaclnamespace
    )
