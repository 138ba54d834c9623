create materialized view metrics.velocity as select 1 as week;
create unique index velocity_week on metrics.velocity (week);
