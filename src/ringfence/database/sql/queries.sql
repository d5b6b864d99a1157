-- What the package asks a cluster and a database about itself.

-- name: rights_of_this_user
select current_user, rolsuper, rolcreaterole, rolcreatedb, current_setting('server_version_num')::int
from pg_roles where rolname = current_user;

-- name: lock_preparation
-- Roles and databases belong to the cluster: one prepares at a time, until its connection closes.
select pg_advisory_lock(1382641255, 2);

-- name: role_exists
select exists (select from pg_roles where rolname = %(role)s);

-- name: statement_to_create_role
select format('create role %%I login noinherit nosuperuser nocreatedb nocreaterole noreplication', %(role)s::text);

-- name: statement_to_create_member
-- The login of one book: what the role may, it may, and it administers nothing.
select format('create role %%I login inherit nosuperuser nocreatedb nocreaterole noreplication in role %%I',
              %(role)s::text, %(member_of)s::text);

-- name: statement_to_drop_role
select format('drop role %%I', %(role)s::text);

-- name: statement_to_set_password
-- A SCRAM verifier, so that no password is in the server's log.
select format('alter role %%I password %%L', %(role)s::text, %(verifier)s::text);

-- name: database_exists
select exists (select from pg_database where datname = %(database)s);

-- name: statement_to_create_database
-- C everywhere: order of code points, the same on every machine and version.
select format(
    'create database %%I template template0 encoding %%L lc_collate %%L lc_ctype %%L'
    || case when current_setting('server_version_num')::int >= 170000
            then ' locale_provider builtin builtin_locale %%3$L' else '' end,
    %(database)s::text, 'UTF8', 'C', 'C');

-- name: statements_to_open_database
-- Nobody connects but the roles; only the owner makes anything, temporary or not.
select format('revoke all on database %%I from public', %(database)s::text)
union all
select format('revoke temporary on database %%I from %%I', %(database)s::text, %(core)s::text)
union all
select format('grant connect on database %%I to %%I', %(database)s::text, role) from unnest(%(roles)s::text[]) as role
union all
select format('grant create, temporary on database %%I to %%I', %(database)s::text, %(owner)s::text);

-- name: lock_road
-- One migration run at a time; 0x52696e67 is "Ring".
select pg_advisory_xact_lock(1382641255, 1);

-- name: road_exists
select to_regclass('database.migration') is not null;

-- name: applied_migrations
select number, name, sha256 from database.migration order by number;

-- name: record_migration
insert into database.migration (number, name, sha256) values (%(number)s, %(name)s, %(sha256)s);

-- name: this_transaction
select pg_current_xact_id()::text;
