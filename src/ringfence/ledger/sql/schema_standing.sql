-- What stands over a book (kinds 9 to 12) and the turns of its monitors (13), found without reading the movements.
CREATE INDEX journal_standing ON ledger.journal (book_id, kind, sequence) WHERE kind BETWEEN 9 AND 13;

-- Which monitor a turn is of. Payloads are UTF-8 wherever they are read, so this is the same for ever.
CREATE FUNCTION ledger.monitor_of(payload bytea) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT convert_from(payload, 'UTF8')::jsonb ->> 'monitor';
$$;
CREATE INDEX journal_turn ON ledger.journal (book_id, ledger.monitor_of(payload), sequence) WHERE kind = 13;
GRANT EXECUTE ON FUNCTION ledger.monitor_of
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
