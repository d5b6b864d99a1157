-- Everything a database is made of, one object a row: (schema, kind, name, definition). Two databases with the same rows
-- behave alike. System schemas, and what an extension brings, are left out; numbers that differ by chance (oids,
-- positions of dropped columns) too.

-- name: catalogue
with
ours as (
    select oid, nspname::text as schema, nspowner, nspacl from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
),
brought as (select classid, objid from pg_depend where deptype = 'e'),
access (class, object, granted) as (
    select class, object, string_agg(
        coalesce(grantee.rolname, 'public') || ':' || item.privilege_type || case when item.is_grantable then '*' else '' end,
        ' ' order by coalesce(grantee.rolname, 'public'), item.privilege_type)
    from (
        select 'pg_namespace'::regclass, oid, coalesce(nspacl, acldefault('n', nspowner)) from ours
        union all
        select 'pg_class'::regclass, oid, coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
        from pg_class where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
        union all
        select 'pg_proc'::regclass, oid, coalesce(proacl, acldefault('f', proowner)) from pg_proc
        union all
        select 'pg_type'::regclass, oid, coalesce(typacl, acldefault('T', typowner)) from pg_type
    ) as having_access (class, object, acl),
    lateral aclexplode(acl) as item
    left join pg_roles as grantee on grantee.oid = item.grantee
    group by class, object
),
relation as (
    select c.oid, o.schema, c.relkind, o.schema || '.' || c.relname as full_name
    from pg_class as c join ours as o on o.oid = c.relnamespace
    where not exists (select from brought as b where b.classid = 'pg_class'::regclass and b.objid = c.oid)
),
routine as (
    select p.oid, o.schema, o.schema || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as full_name, p.prokind
    from pg_proc as p join ours as o on o.oid = p.pronamespace
    where not exists (select from brought as b where b.classid = 'pg_proc'::regclass and b.objid = p.oid)
),
found (schema, kind, name, definition) as (
    select schema, 'schema', schema, 'owner ' || pg_get_userbyid(nspowner) from ours
    union all
    select r.schema,
        case r.relkind
            when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'materialized view'
            when 'S' then 'sequence' when 'f' then 'foreign table' when 'c' then 'composite type' else r.relkind::text
        end,
        r.full_name,
        concat_ws(E'\n',
            'owner ' || pg_get_userbyid(c.relowner),
            'kind ' || c.relkind::text || ' persistence ' || c.relpersistence::text || ' replica identity ' || c.relreplident::text,
            'row security ' || c.relrowsecurity || ' forced ' || c.relforcerowsecurity,
            'options ' || nullif(array_to_string(array(select unnest(c.reloptions) order by 1), ' '), ''),
            'partition by ' || case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end,
            'partition ' || pg_get_expr(c.relpartbound, c.oid),
            'child of ' || (select string_agg(inhparent::regclass::text, ' ' order by inhseqno) from pg_inherits where inhrelid = c.oid),
            case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid, true) end)
    from relation as r join pg_class as c on c.oid = r.oid where r.relkind not in ('i', 'I', 't')
    union all
    select r.schema, 'column', r.full_name || '.' || a.attname,
        concat_ws(E'\n',
            'position ' || row_number() over (partition by r.oid order by a.attnum) || ' type ' || format_type(a.atttypid, a.atttypmod)
                || case when a.attnotnull then ' not null' else '' end,
            case when a.attgenerated <> '' then 'generated ' || a.attgenerated::text end,
            case when a.attidentity <> '' then 'identity ' || a.attidentity::text end,
            'default ' || pg_get_expr(d.adbin, d.adrelid),
            'collation ' || nullif(a.attcollation, t.typcollation)::regcollation::text,
            'storage ' || nullif(a.attstorage, t.typstorage)::text,
            'compression ' || nullif(a.attcompression, '')::text,
            'statistics ' || nullif(nullif(a.attstattarget, -1), 0),
            'options ' || array_to_string(a.attoptions, ' '),
            'access ' || (
                select string_agg(coalesce(pg_get_userbyid(nullif(item.grantee, 0)), 'public') || ':' || item.privilege_type, ' '
                    order by coalesce(pg_get_userbyid(nullif(item.grantee, 0)), 'public'), item.privilege_type)
                from aclexplode(a.attacl) as item))
    from relation as r
    join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_type as t on t.oid = a.atttypid
    left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where r.relkind not in ('i', 'I', 't', 'S')
    union all
    select o.schema, 'constraint', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text) || ' ' || k.conname,
        concat_ws(E'\n',
            pg_get_constraintdef(k.oid, true),
            case when not k.convalidated then 'not valid' end,
            'deferrable ' || k.condeferrable || ' deferred ' || k.condeferred || ' local ' || k.conislocal)
    from pg_constraint as k join ours as o on o.oid = k.connamespace
    where not (k.contype = 't') and k.contype <> 'n'
    union all
    select r.schema, 'index', r.full_name,
        concat_ws(E'\n',
            pg_get_indexdef(r.oid),
            'valid ' || i.indisvalid || ' clustered ' || i.indisclustered || ' replica identity ' || i.indisreplident)
    from relation as r join pg_index as i on i.indexrelid = r.oid
    union all
    select r.schema, 'sequence values', r.full_name,
        format('%s start %s by %s from %s to %s cache %s cycle %s', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
        || coalesce(E'\nowned by ' || (
            select d.refobjid::regclass::text || '.' || a.attname
            from pg_depend as d join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            where d.classid = 'pg_class'::regclass and d.objid = r.oid and d.deptype in ('a', 'i')), '')
    from relation as r join pg_sequence as s on s.seqrelid = r.oid
    union all
    select f.schema, 'routine', f.full_name,
        concat_ws(E'\n',
            'owner ' || pg_get_userbyid(p.proowner),
            case
                when p.prokind = 'a' then (
                    select format('aggregate %s of %s final %s start %s', g.aggtransfn, g.aggtranstype::regtype, g.aggfinalfn, g.agginitval)
                    from pg_aggregate as g where g.aggfnoid = p.oid)
                else pg_get_functiondef(p.oid)
            end)
    from routine as f join pg_proc as p on p.oid = f.oid
    union all
    select r.schema, 'trigger', r.full_name || ' ' || g.tgname, pg_get_triggerdef(g.oid) || E'\nenabled ' || g.tgenabled::text
    from relation as r join pg_trigger as g on g.tgrelid = r.oid where not g.tgisinternal
    union all
    select r.schema, 'rule', r.full_name || ' ' || u.rulename, pg_get_ruledef(u.oid) || E'\nenabled ' || u.ev_enabled::text
    from relation as r join pg_rewrite as u on u.ev_class = r.oid where u.rulename <> '_RETURN'
    union all
    select r.schema, 'policy', r.full_name || ' ' || y.polname,
        concat_ws(E'\n',
            format('for %s permissive %s', y.polcmd, y.polpermissive),
            'to ' || (select string_agg(coalesce(pg_get_userbyid(nullif(role, 0)), 'public'), ' ' order by 1) from unnest(y.polroles) as role),
            'using ' || pg_get_expr(y.polqual, y.polrelid),
            'check ' || pg_get_expr(y.polwithcheck, y.polrelid))
    from relation as r join pg_policy as y on y.polrelid = r.oid
    union all
    select o.schema, 'type', o.schema || '.' || t.typname,
        concat_ws(E'\n',
            'owner ' || pg_get_userbyid(t.typowner),
            'kind ' || t.typtype::text,
            'values ' || (select string_agg(enumlabel, ' ' order by enumsortorder) from pg_enum where enumtypid = t.oid),
            'range of ' || (select rngsubtype::regtype::text from pg_range where rngtypid = t.oid),
            case when t.typtype = 'd' then
                format('domain of %s not null %s default %s', format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault) end)
    from pg_type as t join ours as o on o.oid = t.typnamespace
    where t.typtype in ('e', 'd', 'r', 'm')
        and not exists (select from brought as b where b.classid = 'pg_type'::regclass and b.objid = t.oid)
    union all
    select '', 'extension', extname, 'version ' || extversion || E'\nschema ' || extnamespace::regnamespace::text from pg_extension
    union all
    select '', 'event trigger', evtname, format('%s %s %s', evtevent, evtfoid::regproc, evtenabled) from pg_event_trigger
    union all
    select coalesce(o.schema, ''), 'default access', concat_ws(' ', o.schema, pg_get_userbyid(d.defaclrole), d.defaclobjtype), d.defaclacl::text
    from pg_default_acl as d left join ours as o on o.oid = d.defaclnamespace
    union all
    select o.schema, 'statistics', o.schema || '.' || x.stxname, pg_get_statisticsobjdef(x.oid)
    from pg_statistic_ext as x join ours as o on o.oid = x.stxnamespace
    union all
    select o.schema, 'access', 'schema ' || o.schema, granted from ours as o
    join access on class = 'pg_namespace'::regclass and object = o.oid
    union all
    select r.schema, 'access', r.full_name, granted from relation as r join access on class = 'pg_class'::regclass and object = r.oid
    union all
    select f.schema, 'access', f.full_name, granted from routine as f join access on class = 'pg_proc'::regclass and object = f.oid
    union all
    select o.schema, 'access', 'type ' || o.schema || '.' || t.typname, granted
    from pg_type as t join ours as o on o.oid = t.typnamespace and t.typtype in ('e', 'd', 'r', 'm')
    join access on class = 'pg_type'::regclass and object = t.oid
    union all
    select coalesce(r.schema, f.schema, o.schema), 'comment',
        concat_ws(' ', coalesce(r.full_name, f.full_name, 'schema ' || o.schema), a.attname), d.description
    from pg_description as d
    left join relation as r on d.classoid = 'pg_class'::regclass and r.oid = d.objoid
    left join routine as f on d.classoid = 'pg_proc'::regclass and f.oid = d.objoid
    left join ours as o on d.classoid = 'pg_namespace'::regclass and o.oid = d.objoid
    left join pg_attribute as a on d.objsubid > 0 and a.attrelid = r.oid and a.attnum = d.objsubid
    where coalesce(r.oid, f.oid, o.oid) is not null
)
select schema, kind, name, coalesce(definition, '') from found order by schema, kind, name, definition;
