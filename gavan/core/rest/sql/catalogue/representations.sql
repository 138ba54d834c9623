-- Casts that say how values of a domain are shown and read: to json, from json and from text. One
-- JSON object each. Postgres itself takes no notice of casts of domains.
select json_build_object(
    'domain', format_type(case when s.typtype = 'd' then s.oid else t.oid end, null),
    'way', case
        when s.typtype = 'd' then 'to_json'
        when s.oid = 'json'::regtype then 'from_json'
        else 'from_text'
    end,
    'schema', n.nspname,
    'function', p.proname
)::text
from pg_cast c
join pg_type s on s.oid = c.castsource
join pg_type t on t.oid = c.casttarget
join pg_proc p on p.oid = c.castfunc
join pg_namespace n on n.oid = p.pronamespace
where c.castcontext = 'i'
    and has_function_privilege(p.oid, 'EXECUTE')
    and (
        s.typtype = 'd' and t.oid = 'json'::regtype
        or t.typtype = 'd' and s.oid in ('json'::regtype, 'text'::regtype)
    )
