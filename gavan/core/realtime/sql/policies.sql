-- Private channels: what the policies of realtime.messages let a role read and write on a topic.
-- Functions of one session (pg_temp) of supabase_realtime_admin, the owner of the table. Probe rows,
-- and whatever policies and triggers do, never outlive the call: an exception of our own (GV000) rolls
-- them back, while the answers stay in variables.
create function pg_temp.gavan_act_as(
    viewer_role text, claims text, subject text, headers text, topic text
) returns void
    language plpgsql
    as $body$
begin
    if to_regrole(quote_ident(viewer_role)) is null or (
        to_regrole('authenticator') is not null
        and not pg_has_role('authenticator', viewer_role, 'member')
    ) then
        raise exception 'role "%" may not join', viewer_role;
    end if;
    perform set_config('realtime.topic', topic, true),
        set_config('request.jwt.claims', claims, true),
        set_config('request.jwt.claim.sub', coalesce(subject, ''), true),
        set_config('request.jwt.claim.role', viewer_role, true),
        set_config('request.headers', headers, true),
        set_config('search_path', 'pg_catalog, public, extensions', true),
        set_config('role', viewer_role, true);
end
$body$;

create function pg_temp.gavan_may_read(
    viewer_role text, claims text, subject text, headers text, topic text, extensions text[]
) returns text[]
    language plpgsql
    as $body$
declare
    probes uuid[];
    found text[];
begin
    begin
        with probe as (
            insert into realtime.messages (topic, extension, private)
            select gavan_may_read.topic, wanted, true from unnest(extensions) as wanted
            returning id
        )
        select array_agg(id) into probes from probe;
        perform pg_temp.gavan_act_as(viewer_role, claims, subject, headers, topic);
        execute 'select coalesce(array_agg(extension), ''{}'') from realtime.messages'
            ' where id = any ($1)' into found using probes;
        raise sqlstate 'GV000';
    exception when sqlstate 'GV000' then
        return found;
    end;
end
$body$;

create function pg_temp.gavan_may_write(
    viewer_role text, claims text, subject text, headers text, topic text, extension text
) returns boolean
    language plpgsql
    as $body$
declare
    allowed boolean := false;
begin
    begin
        perform pg_temp.gavan_act_as(viewer_role, claims, subject, headers, topic);
        execute 'insert into realtime.messages (topic, extension, private) values ($1, $2, true)'
            using topic, extension;
        allowed := true;
        raise sqlstate 'GV000';
    exception
        when sqlstate 'GV000' then
            return allowed;
        when insufficient_privilege then
            return false;
    end;
end
$body$;
