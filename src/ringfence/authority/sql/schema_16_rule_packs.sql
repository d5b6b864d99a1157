-- authority, rule packs: the risk rules of a book, version by version, as people approved them.

-- `document` is the file of rules (TOML), byte for byte; RISK_DECISION says its SHA-256. `lists` are the sanctions lists by
-- name that have to be screened; what stands on them their issuers say, and RISK_DECISION says the SHA-256 of each.
CREATE TABLE authority.rule_pack (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    version         integer     NOT NULL,
    effective_from  timestamptz NOT NULL,
    document        bytea       NOT NULL,
    sha256          bytea       NOT NULL,
    lists           text[]      NOT NULL,
    sequence        bigint      NOT NULL,
    CONSTRAINT rule_pack_version_must_be_next PRIMARY KEY (book_id, version),
    CONSTRAINT rule_pack_hash_is_of_the_document CHECK (sha256 = sha256(document))
);
CREATE TRIGGER rule_pack_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.rule_pack
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.put_rule_pack(book integer, next integer, from_time timestamptz, text bytea, lists text[],
                                        event uuid)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1195);
BEGIN
    IF next <> 1 + (SELECT coalesce(max(r.version), 0) FROM authority.rule_pack r WHERE r.book_id = book)
       OR from_time IS NULL OR from_time < now.at THEN
        PERFORM authority.refuse('rule_pack_version_must_be_next');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('version', next, 'sha256', encode(sha256(text), 'hex'),
                                                            'lists', to_jsonb(put_rule_pack.lists)));
    INSERT INTO authority.rule_pack (book_id, version, effective_from, document, sha256, lists, sequence)
    VALUES (book, next, from_time, text, sha256(text), put_rule_pack.lists, now.sequence);
END $$;

-- The first pack of a book needs nobody; it is in force at once.
CREATE FUNCTION authority.found_rule_pack(book integer, event uuid, document bytea, lists text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1195);
BEGIN
    PERFORM authority.put_rule_pack(book, 1, now.at, document, found_rule_pack.lists, event);
END $$;

-- A further pack is what a complete proposal says.
CREATE FUNCTION authority.change_rule_pack(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1195);
    facts jsonb  := authority.carry_out(book, event, 1195, proposal, 'rule_pack')->'facts';
    words text[] := string_to_array(facts->>'lists', ' ');
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('effective_from', facts->'effective_from',
                                                            'sha256', facts->'sha256', 'proposal', proposal));
    PERFORM authority.put_rule_pack(book, (facts->>'version')::integer,
                                    greatest((facts->>'effective_from')::timestamptz, now.at),
                                    convert_to(facts->>'document', 'UTF8'), words, event);
END $$;

-- Whether a decision of risk is by the pack that is in force at a time: by exactly these rules, and every list that the pack
-- names was screened. Null: the book has no pack.
CREATE FUNCTION authority.is_by_the_pack(book integer, said jsonb, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT (said #>> '{rules,sha256}') IS NOT DISTINCT FROM encode(r.sha256, 'hex')
           AND r.lists <@ ARRAY(SELECT each->>'list' FROM jsonb_array_elements(said->'lists') each)
      FROM authority.rule_pack r WHERE r.book_id = book AND r.effective_from <= at ORDER BY r.version DESC LIMIT 1;
$$;

-- In the append of risk's decision.
CREATE FUNCTION authority.require_rule_pack(book integer, event uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1010);
BEGIN
    IF NOT authority.is_by_the_pack(book, now.said, now.at) THEN
        PERFORM authority.refuse('rules_changed_meanwhile');
    END IF;
END $$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.rule_pack
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.found_rule_pack, authority.change_rule_pack, authority.require_rule_pack
   TO ringfence_core;
