-- The newest messages of a private topic, oldest first: topic, milliseconds of the epoch, how many.
-- A minute ahead, because clocks differ; beyond it there are only empty partitions.
select id, event, payload, binary_payload from (
    select id::text, event, payload::text, binary_payload, inserted_at
    from realtime.messages
    where topic = %s and private and extension = 'broadcast'
        and inserted_at >= to_timestamp(%s / 1000.0) at time zone 'utc'
        and inserted_at < (now() at time zone 'utc') + interval '1 minute'
    order by inserted_at desc
    limit %s
) as newest
order by inserted_at
