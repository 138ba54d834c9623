-- Settings kept with roles, as one JSON object: "own" are the pgrst.* settings of the login role
-- (the ones for this database win), "roles" those of the roles a request may take. "session" is what
-- else a session begins with: nobody reads it, but its change shows that those begun are outdated.
select json_build_object(
    'own', (
        select coalesce(json_object_agg(s.name, s.value), '{}')
        from (
            select distinct on (split_part(item, '=', 1))
                substr(split_part(item, '=', 1), 7) as name,
                substr(item, strpos(item, '=') + 1) as value
            from pg_db_role_setting r, unnest(r.setconfig) as item
            where r.setrole = (select oid from pg_roles where rolname = current_user)
                and r.setdatabase in (0, (
                    select oid from pg_database where datname = current_database()
                ))
                and item like 'pgrst.%'
            order by split_part(item, '=', 1), r.setdatabase desc
        ) s
    ),
    'session', (
        select coalesce(json_agg(item order by r.setrole, r.setdatabase, item), '[]')
        from pg_db_role_setting r, unnest(r.setconfig) as item
        where r.setrole in (0, (select oid from pg_roles where rolname = current_user))
            and r.setdatabase in (0, (
                select oid from pg_database where datname = current_database()
            ))
            and item not like 'pgrst.%'
    ),
    'roles', (
        select coalesce(json_agg(json_build_array(
            roles.rolname, split_part(item, '=', 1), substr(item, strpos(item, '=') + 1)
        )), '[]')
        from pg_roles roles
        cross join unnest(roles.rolconfig) as item
        left join pg_settings known on known.name = split_part(item, '=', 1)
        where pg_has_role(current_user, roles.oid, 'MEMBER')
            and roles.rolname <> current_user
            and (known.context = 'user'
                or has_parameter_privilege(current_user, split_part(item, '=', 1), 'SET'))
            and item not like 'pgrst.%'
            and item not like 'search_path=%'
    ),
    'comments', (
        select coalesce(json_object_agg(n.nspname, obj_description(n.oid, 'pg_namespace')), '{}')
        from pg_namespace n
        where n.nspname !~ '^pg_'
    )
)::text
