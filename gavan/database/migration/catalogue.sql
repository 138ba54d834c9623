-- Every object of a schema as one row (kind, name, definition), after objects.sql; two databases
-- whose rows are equal have the same schema. Order of columns, sizes and rows do not count.
select 'schema' as kind, quote_ident(s.name) as name, pg_get_userbyid(s.nspowner)::text as definition
from space as s
union all
select 'extension', quote_ident(e.extname), format('%s in %I', e.extversion, n.nspname)
from pg_extension as e
join pg_namespace as n on n.oid = e.extnamespace
union all
select case r.relkind when 'v' then 'view' when 'm' then 'materialized view'
        when 'f' then 'foreign table' when 'S' then 'sequence' when 'c' then 'type'
        else 'table' end,
    r.name,
    concat_ws(' ', 'owner', pg_get_userbyid(r.relowner), 'persistence', r.relpersistence,
        case when r.relrowsecurity then 'row security' end,
        case when r.relforcerowsecurity then 'forced' end,
        nullif(r.relreplident, 'd'), array_to_string(r.reloptions, ' '),
        case when r.relkind = 'p' then pg_get_partkeydef(r.oid) end,
        pg_get_expr(r.relpartbound, r.oid),
        (select 'of ' || string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno)
            from pg_inherits as i where i.inhrelid = r.oid),
        case when r.relkind in ('v', 'm') then pg_get_viewdef(r.oid) end,
        (select concat_ws(' ', q.seqtypid::regtype, q.seqstart, q.seqincrement, q.seqmin, q.seqmax,
                q.seqcycle) from pg_sequence as q where q.seqrelid = r.oid),
        (select format('owned by %s.%I', d.refobjid::regclass, a.attname)
            from pg_depend as d
            join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            where d.classid = 'pg_class'::regclass and d.objid = r.oid and d.deptype = 'a'
                and r.relkind = 'S' and d.refclassid = 'pg_class'::regclass))
from relation as r
union all
select 'column', format('%s.%I', r.name, a.attname),
    concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        (select 'collate ' || l.collname from pg_collation as l
            join pg_type as t on t.oid = a.atttypid
            where l.oid = a.attcollation and a.attcollation <> t.typcollation),
        case when a.attnotnull then 'not null' end,
        'identity ' || nullif(a.attidentity::text, ''), 'generated ' || nullif(a.attgenerated::text, ''),
        (select 'default ' || pg_get_expr(d.adbin, d.adrelid) from pg_attrdef as d
            where d.adrelid = a.attrelid and d.adnum = a.attnum))
from relation as r
join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
where r.relkind not in ('S', 'v', 'm')
union all
select 'constraint', format('%s.%I', coalesce(r.name, t.name), k.conname), pg_get_constraintdef(k.oid)
from pg_constraint as k
left join relation as r on r.oid = k.conrelid
left join type as t on t.oid = k.contypid
where k.contype not in ('n', 't') and coalesce(r.name, t.name) is not null
union all
select 'index', format('%s.%I', r.name, x.relname),
    concat_ws(' ', pg_get_indexdef(i.indexrelid), case when not i.indisvalid then 'INVALID' end)
from relation as r
join pg_index as i on i.indrelid = r.oid
join pg_class as x on x.oid = i.indexrelid
where not exists (
    select from pg_constraint as k
    where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
)
union all
select 'trigger', format('%s.%I', r.name, g.tgname),
    concat_ws(' ', pg_get_triggerdef(g.oid), nullif(g.tgenabled, 'O'))
from relation as r
join pg_trigger as g on g.tgrelid = r.oid and not g.tgisinternal
union all
select 'rule', format('%s.%I', r.name, u.rulename),
    concat_ws(' ', pg_get_ruledef(u.oid), nullif(u.ev_enabled, 'O'))
from relation as r
join pg_rewrite as u on u.ev_class = r.oid and u.rulename <> '_RETURN'
union all
select 'policy', format('%s.%I', r.name, y.polname),
    concat_ws(' ', case when y.polpermissive then 'permissive' else 'restrictive' end, y.polcmd,
        (select 'to ' || string_agg(coalesce(nullif(m.role, 0)::regrole::text, 'public'), ', '
                order by m.role) from unnest(y.polroles) as m (role)),
        'using ' || pg_get_expr(y.polqual, y.polrelid),
        'check ' || pg_get_expr(y.polwithcheck, y.polrelid))
from relation as r
join pg_policy as y on y.polrelid = r.oid
union all
select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end,
    p.name,
    concat_ws(' ', 'owner', pg_get_userbyid(p.proowner),
        case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end,
        (select concat_ws(' ', g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggtranstype::regtype,
                g.agginitval) from pg_aggregate as g where g.aggfnoid = p.oid))
from routine as p
union all
select 'type', t.name,
    concat_ws(' ', t.typtype, pg_get_userbyid(t.typowner),
        (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
            from pg_enum as e where e.enumtypid = t.oid),
        case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
        case when t.typnotnull then 'not null' end, 'default ' || t.typdefault,
        (select g.rngsubtype::regtype::text from pg_range as g where g.rngtypid = t.oid))
from type as t
union all
select 'cast', format('%s as %s', c.castsource::regtype, c.casttarget::regtype),
    concat_ws(' ', nullif(c.castfunc, 0)::regprocedure, c.castcontext, c.castmethod)
from pg_cast as c
where c.oid >= 16384
    and c.oid not in (select objid from member where classid = 'pg_cast'::regclass)
union all
select 'operator', o.oid::regoperator::text, concat_ws(' ', o.oprcode, o.oprresult::regtype)
from pg_operator as o
join space as s on s.oid = o.oprnamespace
where o.oid not in (select objid from member where classid = 'pg_operator'::regclass)
union all
select 'statistics', format('%I.%I', s.name, x.stxname), pg_get_statisticsobjdef(x.oid)
from pg_statistic_ext as x
join space as s on s.oid = x.stxnamespace
union all
select 'event trigger', quote_ident(v.evtname),
    concat_ws(' ', v.evtevent, array_to_string(v.evttags, ','), v.evtfoid::regprocedure, v.evtenabled)
from pg_event_trigger as v
union all
select 'publication', quote_ident(b.pubname),
    concat_ws(' ', b.puballtables, b.pubinsert, b.pubupdate, b.pubdelete, b.pubtruncate, b.pubviaroot)
from pg_publication as b
union all
select 'publication', format('%I for %s', b.pubname, r.name), pg_get_expr(pr.prqual, pr.prrelid)
from pg_publication_rel as pr
join pg_publication as b on b.oid = pr.prpubid
join relation as r on r.oid = pr.prrelid
union all
select 'privileges on ' || g.kind, g.name,
    (select string_agg(a.item::text, ' ' order by a.item::text) from unnest(g.acl) as a (item))
from granted as g
union all
select 'comment', format('%s %s', i.type, i.identity), d.description
from pg_description as d
cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as i
where d.objoid >= 16384
    and (d.classoid, d.objoid) not in (select classid, objid from member)
