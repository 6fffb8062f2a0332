-- The audit logs of a fleet in PostgreSQL (12 or newer). Every line is kept octet for octet, so that the hash chains
-- can be checked here, by somebody who is not the machine that wrote them.
create schema egress;

-- A writer's name (w) is unique for every process that ever wrote, so machine and sandbox only say where to look.
create table egress.line (
    machine text not null,
    sandbox text not null,
    ts timestamptz not null,
    w text not null,
    seq bigint not null,
    prev bytea not null,
    hash bytea not null, -- SHA-256 of the line
    event text not null,
    agent inet,
    verdict text not null,
    reason text,
    route text,
    host text,
    flow text,
    dns_id text, -- of a lookup and of everything that used its answer
    dst inet,
    dport int,
    method text,
    path text,
    status int,
    bytes_out bigint,
    bytes_in bigint,
    line json not null, -- as it was written: json, unlike jsonb, keeps the text
    primary key (w, seq, ts, hash)
) partition by range (ts);
create index on egress.line (sandbox, ts);
create index on egress.line (host, ts);
create index on egress.line (flow) where flow is not null;
create index on egress.line (dns_id) where dns_id is not null;
create index on egress.line (ts) where event = 'dlp';

-- What was no line at all. Nothing is thrown away, and nothing stops the rest.
create table egress.unreadable (seen timestamptz not null default now(), machine text, sandbox text, text text not null, why text);

-- A partition a month; drop the oldest ones to forget. Call it daily.
create function egress.make_partitions(since date default date_trunc('month', now())::date, months int default 2) returns void
language plpgsql as $$
declare
    first date;
begin
    for i in 0..months - 1 loop
        first := date_trunc('month', since) + make_interval(months => i);
        execute format('create table if not exists egress.%I partition of egress.line for values from (%L) to (%L)',
            to_char(first, '"line_"YYYY_MM'), first::timestamp at time zone 'UTC', (first + interval '1 month')::timestamp at time zone 'UTC');
    end loop;
end $$;
create table egress.line_other partition of egress.line default;

-- One line. The same line twice is one; two different ones with the same number stay two, and egress.gaps shows them.
create function egress.add(machine text, sandbox text, line text) returns void
language plpgsql as $$
declare
    -- text of PostgreSQL's cannot hold U+0000; what an agent puts into a name must not keep its line out
    j json := replace(line, '\u0000', '\ufffd')::json;
begin
    insert into egress.line values (coalesce(machine, ''), coalesce(sandbox, ''), (j ->> 'ts')::timestamptz, j ->> 'w', (j ->> 'seq')::bigint,
        decode(j ->> 'prev', 'hex'), sha256(convert_to(line, 'UTF8')), j ->> 'event', (j ->> 'agent')::inet, j ->> 'verdict',
        j ->> 'reason', j ->> 'route', j ->> 'host', j ->> 'flow',
        case when j ->> 'event' = 'dns' then j ->> 'id' else j ->> 'dns_id' end,
        (j ->> 'dst')::inet, (j ->> 'dport')::int, j ->> 'method', j ->> 'path', (j ->> 'status')::int,
        (j ->> 'bytes_out')::bigint, (j ->> 'bytes_in')::bigint, line::json)
    on conflict do nothing;
end $$;

create function egress.try_add(machine text, sandbox text, line text) returns void
language plpgsql as $$
begin
    perform egress.add(machine, sandbox, line);
exception when others then
    insert into egress.unreadable (machine, sandbox, text, why) values (machine, sandbox, line, sqlerrm);
end $$;

-- Where Fluent Bit's pgsql output inserts: its table has these columns, and it says "create table if not exists" first, which
-- wants a schema that it may create in. A shipper can add lines, and can neither read, change nor remove any.
create schema egress_inbox;
create table egress_inbox.inbox (tag varchar, time timestamp, data jsonb);
create function egress.take() returns trigger language plpgsql security definer set search_path = egress, pg_catalog as $$
begin
    perform egress.try_add(new.data ->> 'machine', substring(new.data ->> 'file' from '([^/]+)/audit\.jsonl'), new.data ->> 'line');
    return null; -- it is in egress.line now
end $$;
create trigger take before insert on egress_inbox.inbox for each row execute function egress.take();
create role egress_shipper login;
alter role egress_shipper set search_path = egress_inbox;
grant usage, create on schema egress_inbox to egress_shipper;
grant insert on egress_inbox.inbox to egress_shipper;

-- -- What an auditor asks --

-- Who reached what.
create view egress.reached as
select sandbox, host, method, date_trunc('day', ts) as day, count(*) as requests, sum(bytes_out) as bytes_out, sum(bytes_in) as bytes_in,
    min(ts) as first, max(ts) as last
from egress.line where event = 'http' and verdict <> 'deny' group by 1, 2, 3, 4
union all -- sealed and other streams, of which only the name and the octets are known
select sandbox, host, line ->> 'mode', date_trunc('day', ts), count(*), sum(bytes_out), sum(bytes_in), min(ts), max(ts)
from egress.line where event = 'flow' and verdict <> 'deny' and line ->> 'state' = 'closed' and line ->> 'mode' in ('splice', 'tcp', 'udp')
group by 1, 2, 3, 4;

-- What was refused, and why. A connection may have two lines (opened and closed): it counts once.
create view egress.refused as
select sandbox, reason, event, coalesce(host, host(dst)) || coalesce(':' || dport, '') as what,
    count(distinct case event when 'flow' then flow else w || seq end) as times, min(ts) as first, max(ts) as last
from egress.line where verdict = 'deny' group by 1, 2, 3, 4;

-- From a lookup to the last byte: select * from egress.follow('nfzhzmkzdbdafnxc').
create function egress.follow(id text) returns table (ts timestamptz, event text, what text, verdict text, sent bigint, received bigint, flow text)
language sql stable as $$
    select l.ts, l.event || coalesce(' ' || (l.line ->> 'state'), ''),
        case l.event when 'dns' then (l.line ->> 'qtype') || ' ' || l.host || ' -> ' || coalesce(l.line ->> 'answers', '')
            when 'http' then l.method || ' ' || l.host || l.path || ' ' || l.status
            when 'dlp' then (l.line ->> 'detector') || ' in ' || (l.line ->> 'where')
            else coalesce(l.host, '') || ' ' || host(l.dst) || ':' || l.dport end,
        l.verdict, l.bytes_out, l.bytes_in, l.flow
    from (select * from egress.line where dns_id = id
        union all select * from egress.line where dns_id is distinct from id
            and flow in (select f.flow from egress.line f where f.dns_id = id and f.flow is not null)) l
    order by l.ts, l.seq
$$;

-- Secrets and injections that were found; never the secret itself.
create view egress.findings as
select d.ts, d.sandbox, d.verdict, d.line ->> 'detector' as detector, d.line ->> 'direction' as direction, d.line ->> 'where' as place,
    d.host, h.method, h.path, d.flow
from egress.line d
left join lateral (select method, path from egress.line h where h.flow = d.flow and h.event = 'http' order by h.ts >= d.ts desc, abs(extract(epoch from h.ts - d.ts)) limit 1) h on true
where d.event = 'dlp';

-- Chains that are not whole: lines that are missing, changed, or there twice. Empty is good.
create view egress.gaps as
select machine, sandbox, w, seq, ts, what from (
    select *, case
            when event = 'lost' then 'the writer could not write: ' || (line ->> 'count') || ' lines'
            when before is null and seq > 1 then (seq - 1) || ' lines before it are not here'
            when before is null and prev <> decode(repeat('00', 32), 'hex') then 'the first line names one before it'
            when seq = before then 'two lines with one number'
            when seq > before + 1 then (seq - before - 1) || ' lines before it are missing'
            when prev <> hash_before then 'the line before it was changed'
        end as what
    from (select *, lag(seq) over chain as before, lag(hash) over chain as hash_before from egress.line
        window chain as (partition by w order by seq, ts)) as lines) as judged
where what is not null;

-- Connections that opened and have not closed.
create view egress.still_open as
select o.ts, o.sandbox, o.host, o.dst, o.dport, o.flow
from egress.line o
where o.event = 'flow' and o.line ->> 'state' = 'open' and o.verdict <> 'deny'
    and not exists (select from egress.line c where c.flow = o.flow and c.event = 'flow' and c.line ->> 'state' = 'closed');
