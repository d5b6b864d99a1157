-- liabilities: is my money in the total, and is the total matched by the bank?
--
-- The trees of closed days as their events say them, the leaves without nonces, and what auditors signed. A nonce follows
-- from a secret in the vault; so a leaf of who was erased since cannot be opened, and the proofs of the others still can
-- be made, because its hash is here. Nobody writes a table: the functions below do, in the append of the event.

CREATE SCHEMA liabilities;

CREATE TABLE liabilities.proven (
    book_id        integer NOT NULL REFERENCES ledger.book,
    day            date    NOT NULL,
    currency       text    NOT NULL,
    sequence       bigint  NOT NULL,
    mode           text    NOT NULL,
    root           bytea   NOT NULL,
    count          bigint  NOT NULL,
    total          bigint  NOT NULL,
    negative_count bigint  NOT NULL,
    negative_total bigint  NOT NULL,
    unallocated    bigint  NOT NULL,
    cut_off        bigint  NOT NULL,
    requirement    bigint  NOT NULL,
    resource       bigint  NOT NULL,
    proven_at      timestamptz NOT NULL,
    CONSTRAINT day_is_proven_once PRIMARY KEY (book_id, day, currency),
    CONSTRAINT liabilities_are_the_requirement CHECK (total + unallocated = requirement AND negative_total <= 0)
);

-- Leaves in the tree's order, 72 bytes each: id, amount, hash. `first` is the index of the part's first leaf.
CREATE TABLE liabilities.leaves (
    book_id  integer NOT NULL,
    day      date    NOT NULL,
    currency text    NOT NULL,
    first    bigint  NOT NULL,
    content  bytea   NOT NULL,
    CONSTRAINT leaves_are_kept_once PRIMARY KEY (book_id, day, currency, first),
    FOREIGN KEY (book_id, day, currency) REFERENCES liabilities.proven (book_id, day, currency)
);

CREATE TABLE liabilities.attested (
    book_id     integer NOT NULL,
    day         date    NOT NULL,
    currency    text    NOT NULL,
    auditor     text    NOT NULL,
    sequence    bigint  NOT NULL,
    note        text    NOT NULL,
    attested_at timestamptz NOT NULL,
    CONSTRAINT auditor_attests_once PRIMARY KEY (book_id, day, currency, auditor),
    FOREIGN KEY (book_id, day, currency) REFERENCES liabilities.proven (book_id, day, currency)
);

-- Why a tree of a closed day was not published; gone when it is.
CREATE TABLE liabilities.unproven (
    book_id    integer NOT NULL REFERENCES ledger.book,
    day        date    NOT NULL,
    currency   text    NOT NULL,
    name       text    NOT NULL,
    facts      jsonb   NOT NULL,
    refused_at timestamptz NOT NULL,
    CONSTRAINT day_is_unproven_once PRIMARY KEY (book_id, day, currency)
);

-- The tree that the event of this append proves. All its columns are what the event says.
CREATE FUNCTION liabilities.prove(book integer, event uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1180);
BEGIN
    INSERT INTO liabilities.proven (book_id, day, currency, sequence, mode, root, count, total, negative_count,
                                    negative_total, unallocated, cut_off, requirement, resource, proven_at)
    VALUES (book, (now.said->>'day')::date, now.said->>'currency', now.sequence, now.said->>'mode',
            decode(now.said->>'root', 'base64'), (now.said->>'count')::bigint, (now.said->>'total')::bigint,
            (now.said->>'negative_count')::bigint, (now.said->>'negative_total')::bigint,
            (now.said->>'unallocated')::bigint, (now.said->>'cut_off')::bigint,
            (now.said->'safeguarding'->>'requirement')::bigint, (now.said->'safeguarding'->>'resource')::bigint, now.at);
    DELETE FROM liabilities.unproven u
     WHERE u.book_id = book AND u.day = (now.said->>'day')::date AND u.currency = now.said->>'currency';
END $$;

-- A part of its leaves: in the same append, and as many as the tree has, from the first on.
CREATE FUNCTION liabilities.keep_leaves(book integer, event uuid, first bigint, content bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1180);
    kept bigint := (SELECT coalesce(sum(octet_length(l.content)) / 72, 0) FROM liabilities.leaves l
                     WHERE l.book_id = book AND l.day = (now.said->>'day')::date AND l.currency = now.said->>'currency');
BEGIN
    IF first <> kept OR octet_length(content) % 72 <> 0
       OR kept + octet_length(content) / 72 > (now.said->>'count')::bigint THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'the leaves are not those of the tree');
    END IF;
    INSERT INTO liabilities.leaves (book_id, day, currency, first, content)
    VALUES (book, (now.said->>'day')::date, now.said->>'currency', first, content);
END $$;

-- What an auditor signed about a tree that is here.
CREATE FUNCTION liabilities.attest(book integer, event uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1181);
BEGIN
    INSERT INTO liabilities.attested (book_id, day, currency, auditor, sequence, note, attested_at)
    VALUES (book, (now.said->>'day')::date, now.said->>'currency', now.said->>'auditor', now.sequence,
            now.said->>'note', now.at);
END $$;

-- A tree could not be published, as of now.
CREATE FUNCTION liabilities.refuse(book integer, day date, currency text, name text, facts jsonb, at timestamptz)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO liabilities.unproven (book_id, day, currency, name, facts, refused_at)
    VALUES (book, day, currency, name, facts, at)
    ON CONFLICT ON CONSTRAINT day_is_unproven_once
    DO UPDATE SET name = excluded.name, facts = excluded.facts, refused_at = excluded.refused_at;
$$;

GRANT USAGE ON SCHEMA liabilities TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON liabilities.proven, liabilities.attested, liabilities.unproven
   TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON liabilities.leaves TO ringfence_core, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA liabilities FROM PUBLIC;
GRANT EXECUTE ON FUNCTION liabilities.prove, liabilities.keep_leaves, liabilities.attest, liabilities.refuse
   TO ringfence_core;
-- liabilities: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('liabilities');
SELECT ledger.fix_search_paths('liabilities');
