create materialized view metrics.velocity as select 1 as week; -- <-
create index velocity_week on metrics.velocity (week); -- gavan: allow=GV353(an example of something else)
