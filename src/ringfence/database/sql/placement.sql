-- How every table and function of ours would lie on several nodes, a book whole on one of them. Read from the catalogue.

-- A table is distributed by its book; a registry that every node needs is a reference table (it has no book, or a key
-- across books); what nothing refers to and has no book stays where the migrations run.
-- name: placements
WITH ours AS (
    SELECT c.oid, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'book_id' AND NOT a.attisdropped) AS has_book
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%%'
)
SELECT o.oid::regclass::text AS name,
       CASE WHEN o.has_book AND NOT EXISTS (
                 SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'book_id'
                  WHERE i.indrelid = o.oid AND i.indisunique AND a.attnum <> ALL (i.indkey::smallint[])) THEN 'distributed'
            WHEN o.has_book OR o.oid = to_regclass('ledger.service')
                 OR EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = o.oid) THEN 'reference'
            ELSE 'local' END AS placement
  FROM ours o ORDER BY 1;

-- Policies with a sub-select are not for distributed tables: they go before the tables are distributed.
-- name: policies_off
SELECT 'DROP POLICY ' || quote_ident(y.polname) || ' ON ' || y.polrelid::regclass || ';' AS dropped,
       'ALTER TABLE ' || y.polrelid::regclass || ' NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;' AS disabled
  FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid
 WHERE NOT c.relispartition AND c.relnamespace::regnamespace::text NOT LIKE 'pg\_%%' ORDER BY y.polrelid::regclass::text;

-- name: references_between
SELECT k.conrelid::regclass::text AS name, k.confrelid::regclass::text AS refers_to, k.conname::text AS constraint_name,
       EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair (here, there)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.here AND a.attname = 'book_id'
                 JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.there AND b.attname = 'book_id') AS by_book,
       k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('n', 'd') AS sets_null
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
 WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT c.relispartition
   AND c.relnamespace::regnamespace::text NOT LIKE 'pg\_%%'
 ORDER BY 1, 3;

-- What would keep a distributed table from being one, apart from its references.
-- name: table_obstacles
WITH ours AS (
    SELECT c.oid, c.oid::regclass::text AS name FROM pg_class c WHERE c.oid::regclass::text = ANY(%(tables)s)
)
SELECT o.name, 'book_id is not an integer that must be given'
  FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attname = 'book_id'
 WHERE a.atttypid <> 'integer'::regtype OR NOT a.attnotnull
 UNION ALL
SELECT o.name, format('the key %%s does not contain book_id', i.indexrelid::regclass)
  FROM ours o JOIN pg_index i ON i.indrelid = o.oid AND i.indisunique JOIN pg_attribute a ON a.attrelid = o.oid AND a.attname = 'book_id'
 WHERE a.attnum <> ALL (i.indkey::smallint[])
 UNION ALL
SELECT o.name, 'its rows have no identity, so a book cannot be moved to another node while it is written to'
  FROM ours o JOIN pg_class c ON c.oid = o.oid AND c.relreplident <> 'f'
 WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = o.oid AND i.indisprimary)
 UNION ALL
SELECT o.name, format('the exclusion %%s cannot be kept across books', k.conname)
  FROM ours o JOIN pg_constraint k ON k.conrelid = o.oid AND k.contype = 'x'
 UNION ALL
SELECT o.name, format('the identity %%s is not a bigint', a.attname)
  FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attidentity <> '' AND a.atttypid <> 'bigint'::regtype
 ORDER BY 1, 2;

-- name: triggers_of
SELECT t.tgrelid::regclass::text, t.tgname::text FROM pg_trigger t
 WHERE NOT t.tgisinternal AND t.tgrelid::regclass::text = ANY(%(tables)s) ORDER BY 1, 2;

-- Functions: what they are called, whether they take a book, and their source.
-- name: functions
SELECT p.oid::regprocedure::text AS signature, coalesce(p.proargnames[1] = 'book' AND p.proargtypes[0] = 'integer'::regtype, false) AS takes_book,
       p.prorettype = 'trigger'::regtype AS is_trigger, p.prosrc AS source
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%%' AND p.prokind = 'f'
 ORDER BY 1;

-- name: statement_of
SELECT CASE %(kind)s::text
       WHEN 'reference' THEN format('SELECT create_reference_table(%%L);', %(name)s::text)
       WHEN 'first' THEN format('SELECT create_distributed_table(%%L, ''book_id'', colocate_with => ''none'');', %(name)s::text)
       WHEN 'distributed' THEN format('SELECT create_distributed_table(%%L, ''book_id'', colocate_with => %%L);', %(name)s::text, %(beside)s::text)
       WHEN 'of a book' THEN format('SELECT create_distributed_function(%%L, ''book'', colocate_with := %%L);', %(name)s::text, %(beside)s::text)
       WHEN 'appends' THEN format('SELECT create_distributed_function(%%L, ''book'', colocate_with := %%L, force_delegation := true);', %(name)s::text, %(beside)s::text)
       WHEN 'function' THEN format('SELECT create_distributed_function(%%L);', %(name)s::text)
       WHEN 'here' THEN format('SET %%s = on;', %(name)s::text)
       WHEN 'setting' THEN format('SELECT run_command_on_all_nodes(%%L);', format('ALTER DATABASE %%I SET %%s = on', current_database(), %(name)s::text))
       END;
