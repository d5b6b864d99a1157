-- ledger, serving: which login serves which book.
--
-- Whoever has the login of one book's core neither sees nor touches another book. Every table that has a `book_id`, of
-- every package, carries the policy `book_is_served`: a row is there for a session if its login serves the row's book.
-- What counts is the login that was authenticated (session_user): no SET changes it, and it is the same inside a function
-- that runs with its owner's rights, where the policy holds too (FORCE). The books are found once a statement.
--
-- A book is served by the logins that all books share until it gets logins of its own (docs/operate/logins.md).

CREATE TABLE ledger.service (
    login   name      NOT NULL,
    shared  boolean   NOT NULL,
    books   integer[] NOT NULL,
    CONSTRAINT service_is_one_a_login PRIMARY KEY (login)
);
INSERT INTO ledger.service (login, shared, books)
VALUES ('ringfence_core', true, '{}'), ('ringfence_gateway', true, '{}'), ('ringfence_notary', true, '{}'),
       ('ringfence_reader', true, '{}'), ('ringfence_auditor', true, '{}');

-- The books of this session: those of its login; all of them for the owner, for who is a member of the owner, and so for a
-- superuser; none for anybody else.
CREATE FUNCTION ledger.books_served() RETURNS integer[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    served integer[] := (SELECT s.books FROM ledger.service s WHERE s.login = session_user);
BEGIN
    IF served IS NULL AND pg_has_role(session_user, 'ringfence_owner', 'MEMBER') THEN
        served := ARRAY(SELECT b.book_id FROM ledger.book b);
    END IF;
    RETURN coalesce(served, '{}');
END $$;

-- The last word of each package's schema: every table that has a book gets the policy. Parts have none: nobody of ours
-- reads them, and what may be brought in is their guards' to say.
CREATE FUNCTION ledger.keep_books_apart(package text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    each regclass;
BEGIN
    FOR each IN SELECT c.oid FROM pg_class c
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'book_id' AND NOT a.attisdropped
                 WHERE c.relnamespace = package::regnamespace AND c.relkind IN ('r', 'p')
                   AND NOT c.relispartition AND NOT c.relrowsecurity LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', each);
        EXECUTE format('CREATE POLICY book_is_served ON %s'
                       ' USING (book_id = ANY ((SELECT ledger.books_served())::integer[]))', each);
    END LOOP;
END $$;

-- The same for functions: PostgreSQL looks for a type's name among the session's temporary objects first unless the path
-- names them last, and whoever calls a function that runs with its owner's rights shall not say what `text` means in it.
CREATE FUNCTION ledger.fix_search_paths(package text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    each regprocedure;
BEGIN
    FOR each IN SELECT p.oid FROM pg_proc p
                 WHERE p.pronamespace = package::regnamespace AND 'search_path=pg_catalog' = ANY (p.proconfig) LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', each);
    END LOOP;
END $$;

-- The number of the next book; null if there is one of that name.
CREATE FUNCTION ledger.next_book(called text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(max(b.book_id), 0) + 1 FROM ledger.book b HAVING bool_and(b.name <> called) IS NOT FALSE;
$$;

-- A login of one book opens no further one.
CREATE FUNCTION ledger.open_book(book integer, called text, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger.service s WHERE s.login = session_user AND NOT s.shared) THEN
        RAISE EXCEPTION 'the login % serves the books that it was given', session_user USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO ledger.book (book_id, name, opened_at) VALUES (book, called, at);
    UPDATE ledger.service s SET books = s.books || book WHERE s.shared;
    INSERT INTO ledger.head (book_id, head_at) VALUES (book, at);
    PERFORM ledger.open_first_part();
END $$;

-- For the owner alone: from now on these logins serve the book, and no shared one does.
CREATE FUNCTION ledger.serve_apart(book integer, logins name[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO ledger.service AS s (login, shared, books) SELECT login, false, ARRAY[book] FROM unnest(logins) login
    ON CONFLICT ON CONSTRAINT service_is_one_a_login DO UPDATE SET books = array_remove(s.books, book) || book;
    UPDATE ledger.service s SET books = array_remove(s.books, book) WHERE s.login <> ALL (logins);
$$;

-- And back: the shared logins serve it, and no other.
CREATE FUNCTION ledger.serve_together(book integer) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    UPDATE ledger.service s SET books = array_remove(s.books, book) || CASE WHEN s.shared THEN ARRAY[book] ELSE '{}' END;
    DELETE FROM ledger.service s WHERE NOT s.shared AND s.books = '{}';
$$;

REVOKE ALL ON FUNCTION ledger.books_served, ledger.keep_books_apart, ledger.fix_search_paths, ledger.next_book,
                       ledger.open_book, ledger.serve_apart, ledger.serve_together FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.books_served
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT EXECUTE ON FUNCTION ledger.next_book, ledger.open_book TO ringfence_core;
