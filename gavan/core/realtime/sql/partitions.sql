-- The migration that makes realtime.messages brings the function; another database may lack both.
do $body$
begin
    if to_regprocedure('gavan.maintain_realtime_partitions()') is not null then
        perform gavan.maintain_realtime_partitions();
    end if;
end
$body$
