-- uuid-ossp 1.1 in SQL and PL/pgSQL, with the signatures of the real one (RFC 9562).
\echo Use "CREATE EXTENSION "uuid-ossp"" to load this file. \quit

create function @extschema@.uuid_nil() returns uuid
    language sql immutable strict parallel safe
    as $body$ select '00000000-0000-0000-0000-000000000000'::uuid $body$;

create function @extschema@.uuid_ns_dns() returns uuid
    language sql immutable strict parallel safe
    as $body$ select '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid $body$;

create function @extschema@.uuid_ns_url() returns uuid
    language sql immutable strict parallel safe
    as $body$ select '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid $body$;

create function @extschema@.uuid_ns_oid() returns uuid
    language sql immutable strict parallel safe
    as $body$ select '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid $body$;

create function @extschema@.uuid_ns_x500() returns uuid
    language sql immutable strict parallel safe
    as $body$ select '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid $body$;

-- Version 1: 100 ns since 1582-10-15, a random clock sequence, and a random node with the
-- multicast bit (a real network address would tell where the row was made).
create function @extschema@.uuid_generate_v1mc() returns uuid
    language plpgsql volatile strict parallel safe
    as $body$
declare
    ticks bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint * 10
        + 122192928000000000 + floor(random() * 10)::bigint;
    chance bytea := uuid_send(gen_random_uuid());
    raw bytea;
begin
    raw := substr(int8send(ticks), 5, 4) || substr(int8send(ticks), 3, 2)
        || substr(int8send(ticks), 1, 2) || substr(chance, 9, 8);
    raw := set_byte(raw, 6, (get_byte(raw, 6) & 15) | 16);
    raw := set_byte(raw, 10, get_byte(chance, 0) | 1);
    return encode(raw, 'hex')::uuid;
end
$body$;

create function @extschema@.uuid_generate_v1() returns uuid
    language sql volatile strict parallel safe
    as $body$ select @extschema@.uuid_generate_v1mc() $body$;

create function @extschema@.uuid_generate_v4() returns uuid
    language sql volatile strict parallel safe
    as $body$ select pg_catalog.gen_random_uuid() $body$;

create function @extschema@._gavan_named_uuid(hash bytea, version integer) returns uuid
    language plpgsql immutable strict parallel safe
    as $body$
declare
    raw bytea := substr(hash, 1, 16);
begin
    raw := set_byte(raw, 6, (get_byte(raw, 6) & 15) | (version << 4));
    raw := set_byte(raw, 8, (get_byte(raw, 8) & 63) | 128);
    return encode(raw, 'hex')::uuid;
end
$body$;

create function @extschema@.uuid_generate_v3(namespace uuid, name text) returns uuid
    language sql immutable strict parallel safe
    as $body$
    select @extschema@._gavan_named_uuid(
        decode(md5(uuid_send(namespace) || convert_to(name, 'UTF8')), 'hex'), 3)
$body$;

-- FIPS 180-4, section 6.1; core Postgres has md5 and SHA-2 but no SHA-1.
create function @extschema@._gavan_uuid_sha1(data bytea) returns bytea
    language plpgsql immutable strict parallel safe
    as $body$
declare
    mask constant bigint := 4294967295;
    message bytea;
    w bigint[];
    h0 bigint := x'67452301'::bigint; h1 bigint := x'efcdab89'::bigint;
    h2 bigint := x'98badcfe'::bigint; h3 bigint := x'10325476'::bigint;
    h4 bigint := x'c3d2e1f0'::bigint;
    a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; t bigint;
    size bigint := length(data);
    base int;
begin
    message := data || '\x80'::bytea
        || decode(repeat('00', ((55 - size) % 64 + 64)::int % 64), 'hex') || int8send(size * 8);
    for block in 0 .. length(message) / 64 - 1 loop
        for i in 0 .. 15 loop
            base := block * 64 + i * 4;
            w[i] := (get_byte(message, base)::bigint << 24) | (get_byte(message, base + 1) << 16)
                | (get_byte(message, base + 2) << 8) | get_byte(message, base + 3);
        end loop;
        for i in 16 .. 79 loop
            t := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
            w[i] := ((t << 1) | (t >> 31)) & mask;
        end loop;
        a := h0; b := h1; c := h2; d := h3; e := h4;
        for i in 0 .. 79 loop
            if i < 20 then
                f := ((b & c) | ((~b) & d)) + 1518500249;
            elsif i < 40 then
                f := (b # c # d) + 1859775393;
            elsif i < 60 then
                f := ((b & c) | (b & d) | (c & d)) + 2400959708;
            else
                f := (b # c # d) + 3395469782;
            end if;
            t := ((((a << 5) | (a >> 27)) & mask) + f + e + w[i]) & mask;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := t;
        end loop;
        h0 := (h0 + a) & mask; h1 := (h1 + b) & mask; h2 := (h2 + c) & mask;
        h3 := (h3 + d) & mask; h4 := (h4 + e) & mask;
    end loop;
    return decode(lpad(to_hex(h0), 8, '0') || lpad(to_hex(h1), 8, '0') || lpad(to_hex(h2), 8, '0')
        || lpad(to_hex(h3), 8, '0') || lpad(to_hex(h4), 8, '0'), 'hex');
end
$body$;

create function @extschema@.uuid_generate_v5(namespace uuid, name text) returns uuid
    language sql immutable strict parallel safe
    as $body$
    select @extschema@._gavan_named_uuid(
        @extschema@._gavan_uuid_sha1(uuid_send(namespace) || convert_to(name, 'UTF8')), 5)
$body$;
