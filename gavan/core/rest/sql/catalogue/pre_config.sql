-- Settings made in this transaction by a function of the user's, as one JSON object.
-- $1: their names without the prefix (text[]).
select coalesce(json_object_agg(name, current_setting('pgrst.' || name, true))
    filter (where current_setting('pgrst.' || name, true) is not null), '{}')::text
from unnest($1::text[]) as name
