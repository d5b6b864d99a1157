-- The road walked so far: one row a migration, written by the owner in the transaction that applied it.
create schema database;

create table database.migration (
    number integer constraint migration_number primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now(),
    constraint migration_number_is_positive check (number > 0),
    constraint migration_sha256_is_hexadecimal check (sha256 ~ '^[0-9a-f]{64}$')
);

comment on table database.migration is 'The migrations applied to this database, by number';

-- Every role may see where the road stands, so that a program of another version refuses to work.
grant usage on schema database
to ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
grant select on database.migration
to ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
