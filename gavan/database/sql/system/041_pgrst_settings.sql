-- Who migrates may configure the data API: alter role authenticator set pgrst.db_max_rows = '500'.
-- On Supabase supautils allows it. Postgres 14 has no such privilege and asks for none.
do $settings$
declare
    setting text;
begin
    if current_setting('server_version_num')::int < 150000 then
        return;
    end if;
    foreach setting in array array[
        'client_error_verbosity', 'db_aggregates_enabled', 'db_anon_role', 'db_extra_search_path',
        'db_hoisted_tx_settings', 'db_max_rows', 'db_plan_enabled', 'db_pre_config',
        'db_pre_request', 'db_prepared_statements', 'db_root_spec', 'db_safe_update',
        'db_schemas', 'db_tx_end', 'jwt_aud', 'jwt_cache_max_entries', 'jwt_cache_max_lifetime',
        'jwt_role_claim_key', 'jwt_secret', 'jwt_secret_is_base64', 'openapi_mode',
        'openapi_security_active', 'openapi_server_proxy_uri', 'server_cors_allowed_origins',
        'server_timing_enabled', 'server_trace_header', 'url_use_legacy_target_names'
    ]
    loop
        execute format('grant set on parameter %I to postgres', 'pgrst.' || setting);
    end loop;
end
$settings$;
