-- pgjwt 0.2.0 in SQL, with the signatures of the real one (RFC 7519, HS256 to HS512).
\echo Use "CREATE EXTENSION pgjwt" to load this file. \quit

create function @extschema@.url_encode(data bytea) returns text
    language sql immutable
    as $body$ select translate(encode(data, 'base64'), E'+/=\n', '-_') $body$;

create function @extschema@.url_decode(data text) returns bytea
    language sql immutable
    as $body$
    select decode(rpad(translate(data, '-_', '+/'), (length(data) + 3) / 4 * 4, '='), 'base64')
$body$;

create function @extschema@.algorithm_sign(signables text, secret text, algorithm text)
    returns text
    language sql immutable
    as $body$
    select @extschema@.url_encode(@extschema:pgcrypto@.hmac(signables, secret,
        case algorithm when 'HS256' then 'sha256' when 'HS384' then 'sha384'
            when 'HS512' then 'sha512' else '' end))
$body$;

create function @extschema@.sign(payload json, secret text, algorithm text default 'HS256')
    returns text
    language sql immutable
    as $body$
    select signables || '.' || @extschema@.algorithm_sign(signables, secret, algorithm)
    from (select
        @extschema@.url_encode(
            convert_to('{"alg":"' || algorithm || '","typ":"JWT"}', 'UTF8')) || '.'
        || @extschema@.url_encode(convert_to(payload::text, 'UTF8'))) as token (signables)
$body$;

create function @extschema@.try_cast_double(inp text) returns double precision
    language plpgsql immutable
    as $body$
begin
    return inp::double precision;
exception when others then
    return null;
end
$body$;

create function @extschema@.verify(token text, secret text, algorithm text default 'HS256')
    returns table (header json, payload json, valid boolean)
    language sql immutable
    as $body$
    select jwt.header, jwt.payload, jwt.signature_ok and tstzrange(
        to_timestamp(@extschema@.try_cast_double(jwt.payload ->> 'nbf')),
        to_timestamp(@extschema@.try_cast_double(jwt.payload ->> 'exp'))) @> current_timestamp
    from (select
        convert_from(@extschema@.url_decode(split_part(token, '.', 1)), 'UTF8')::json,
        convert_from(@extschema@.url_decode(split_part(token, '.', 2)), 'UTF8')::json,
        split_part(token, '.', 3) = @extschema@.algorithm_sign(
            split_part(token, '.', 1) || '.' || split_part(token, '.', 2), secret, algorithm)
    ) as jwt (header, payload, signature_ok)
$body$;
