"""Migration files that are easily split, trimmed or read wrong: bytes, as they lie on a disk.

Each stands alone, so that all can be one history. ``BOTH`` are applied by the supabase CLI and by
us; ``NEITHER`` are refused by both; the rest is told by the tests.
"""

from __future__ import annotations

BOTH: dict[str, bytes] = {
    "ends_in_comment": b"-- head\ncreate table a (id int);\n\n-- end\n",
    "only_comment": b"-- nothing here\n",
    "empty": b"",
    "blank": b"\n \n\t",
    "crlf": b"-- one\r\ncreate table b (id int);\r\ninsert into b\r\n values (1);\r\n-- two\r\n",
    "lone_cr": b"create table c (id int);\rinsert into c\r values (1);\r",
    "bom": b"\xef\xbb\xbf-- x\ncreate table d (id int);\n",
    "bom_inside": b"create table e (id int);\n\xef\xbb\xbfinsert into e values (1);\n",
    "no_semicolon": b"create table f (id int);\ninsert into f values (1)",
    "many_semicolons": b"select 1;;\n;;select 2;;;\n",
    "dollar_quotes": (
        b"do $x$ begin perform 1; end $x$;\n"
        b"create function g() returns text language sql as $$ select ';$x$'; $$;\n"
        b"create function g2() returns text language plpgsql as $fn$\n"
        b"begin\n  return 'a;b' || $$;$$; -- not the end;\nend\n$fn$;\n"
    ),
    "dollar_in_names": b"create table h$b$e (id int); create table h2$b$e (id int);\n",
    "dollar_tag_abroad": (
        "create function i() returns text language sql as $ж$ select ';' $ж$;\nselect 1;\n".encode()
    ),
    "escapes": b"select E'it\\'s; x';\nselect 'c:\\';\nselect E'a\\\\';\nselect U&'d\\0061t;';\n",
    "doubled_quotes": b"select 'a''b;c', 1 as \"x\"\";\";\nselect 'a'\n'b;';\n",
    "names_with_semicolons": b'create table "j;k" ("c;d" int);\nselect 1;\n',
    "quote_in_comment": b"-- it's\nselect 1;\n/* don't */ select 2;\n-- \"\nselect 3;\n",
    "nested_comments": b"/* a /* b; */ c; */ select 1; /* x; */ ; select 2 -- a; b\n;\n",
    "parentheses": (
        b"create table l (\n id int default (1 + (2)), -- first; (one\n"
        b" t text check ((t) <> ';') default ($$a;)$$)\n);\nselect (')'); select ('(;');\n"
    ),
    "atomic": (
        b"create function m() returns int\nbegin atomic\n"
        b"  select case when true then 1 else 2 end; select 2;\nend;\nselect 1 as atomic;\n"
    ),
    "rule": (
        b"create table n (id int);\n"
        b"create rule r as on insert to n do also (select 1; select 2);\n"
        b"comment on table n is 'a;b'"
    ),
    "abroad": 'create table "доска" ("имя" text default \'ж;😀\');\n-- конец 😀\n'.encode(),
    "blanks_abroad": "\u00a0create table o (id int);\u2003\nselect 1\u00a0;\n-- x\u3000\n".encode(),
    "kept_by_javascript": "select 1\n-- x\u0085;\n;select 2\n-- y\x1c".encode(),
    "set": b"set search_path = '';\ncreate table public.p (id int);\n",
    "after_set": b"create table q (id int);\n",
    "begin_commit": b"begin;\ncreate table s (id int);\ncommit;\n",
    "concurrently": b"create index concurrently t_i on public.q (id);\n",
    "concurrently_after": b"create table u (id int);\ncreate index concurrently u_i on u (id);\n",
    "enum_value": b"create type v as enum ('a');\nalter type v add value 'b';\n",
    "vacuum": b"vacuum public.q;\n",
    "pragma_of_nobody": b"-- supabase: no-transaction\ncreate table w (id int);\n",
    "our_directive": b"-- gavan: no-transaction\ncreate table x (id int);\nselect 1;\n",
}

NEITHER: dict[str, bytes] = {
    "psql_command": b"create table a (id int);\n\\echo hi\nselect 1;\n",
    "rows_of_copy": b"create table a (id int);\ncopy a from stdin;\n1\n2\n\\.\n",
    "zero_byte": b"create table a (id int);\n\x00select 2;\n",
    "twice_the_same": b"create table a (id int);\ncreate table a (id int);\n",
}
