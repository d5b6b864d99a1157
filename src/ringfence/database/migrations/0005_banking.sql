-- banking: what does the bank say, and what do we ask of it?
--
-- Two shelves of paper. The inbox: files as they came, by their SHA-256, and what was read from them; a file that fails
-- a gate is kept too, in quarantine, and nothing of it is read. The outbox: payment orders as the core wrote them, what
-- the gateway sent, and what the bank answered. The gateway fills the inbox and reads the outbox; the core the other way
-- round. Nobody changes or deletes a sheet. Accounts of counterparties and the bytes of a payment are fields of the vault.

CREATE SCHEMA banking;

-- A custodian account: an account of the ledger (our cashbook) and the number under which the bank knows it.
CREATE TABLE banking.account (
    book_id         integer NOT NULL REFERENCES ledger.book,
    name            text    NOT NULL,
    bank            text    NOT NULL,
    scheme          text    NOT NULL,
    identification  text    NOT NULL,
    holder          text    NOT NULL,
    bank_code       text    NOT NULL,
    currency        text    NOT NULL,
    pool            text    NOT NULL,
    ledger_account  bigint  NOT NULL,
    CONSTRAINT banking_account_is_unique PRIMARY KEY (book_id, name),
    CONSTRAINT bank_knows_one_account_by_a_number UNIQUE (book_id, identification, currency),
    FOREIGN KEY (book_id, name) REFERENCES ledger.account (book_id, name),
    FOREIGN KEY (book_id, ledger_account) REFERENCES ledger.account (book_id, account)
);

-- The inbox -----------------------------------------------------------------------------------------------------------

CREATE TABLE banking.file (
    book_id      integer     NOT NULL REFERENCES ledger.book,
    sha256       text        NOT NULL,
    bank         text        NOT NULL,
    name         text        NOT NULL,
    message      text        NOT NULL,
    bytes        bigint      NOT NULL,
    outcome      text        NOT NULL,
    reason       text,
    sentence     text,
    received_at  timestamptz NOT NULL,
    CONSTRAINT file_is_taken_once PRIMARY KEY (book_id, sha256),
    CONSTRAINT file_is_read_or_quarantined CHECK (outcome IN ('read', 'quarantined')),
    CONSTRAINT quarantine_has_a_reason CHECK ((outcome = 'quarantined') = (reason IS NOT NULL))
);
CREATE INDEX file_received ON banking.file (book_id, received_at);

CREATE TABLE banking.statement (
    book_id       integer NOT NULL,
    account_name  text    NOT NULL,
    statement_id  text    NOT NULL,
    day           date    NOT NULL,
    opening       bigint  NOT NULL,
    closing       bigint  NOT NULL,
    entries       integer NOT NULL,
    fingerprint   text    NOT NULL,
    file_sha256   text    NOT NULL,
    taken         bigint  GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT statement_is_unique PRIMARY KEY (book_id, account_name, statement_id),
    FOREIGN KEY (book_id, account_name) REFERENCES banking.account (book_id, name),
    FOREIGN KEY (book_id, file_sha256) REFERENCES banking.file (book_id, sha256)
);
CREATE INDEX statement_day ON banking.statement (book_id, account_name, day);

CREATE TABLE banking.entry (
    book_id               integer NOT NULL,
    account_name          text    NOT NULL,
    key                   text    NOT NULL,
    statement_id          text    NOT NULL,
    amount                bigint  NOT NULL,
    booking_date          date    NOT NULL,
    value_date            date,
    reversal              boolean NOT NULL,
    bank_reference        text,
    end_to_end_id         text,
    counterparty_name     text,
    remittance            text,
    CONSTRAINT entry_is_unique PRIMARY KEY (book_id, account_name, key),
    FOREIGN KEY (book_id, account_name, statement_id) REFERENCES banking.statement (book_id, account_name, statement_id)
);
CREATE INDEX entry_of_statement ON banking.entry (book_id, account_name, statement_id);

-- Advices in the course of the day (camt.054): the same money as a later entry of a statement, known earlier.
CREATE TABLE banking.advice (
    book_id               integer NOT NULL,
    account_name          text    NOT NULL,
    key                   text    NOT NULL,
    amount                bigint  NOT NULL,
    booking_date          date    NOT NULL,
    reversal              boolean NOT NULL,
    bank_reference        text,
    end_to_end_id         text,
    original_reference    text,
    counterparty_name     text,
    remittance            text,
    file_sha256           text    NOT NULL,
    taken                 bigint  GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT advice_is_unique PRIMARY KEY (book_id, account_name, key),
    FOREIGN KEY (book_id, account_name) REFERENCES banking.account (book_id, name),
    FOREIGN KEY (book_id, file_sha256) REFERENCES banking.file (book_id, sha256)
);

-- Closing = next opening, for whoever inserts. The first statement of an account may open with anything.
CREATE FUNCTION banking.guard_statement() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    last record;
BEGIN
    PERFORM FROM banking.account a WHERE a.book_id = NEW.book_id AND a.name = NEW.account_name FOR UPDATE;
    SELECT s.day, s.closing INTO last FROM banking.statement s
     WHERE s.book_id = NEW.book_id AND s.account_name = NEW.account_name ORDER BY s.taken DESC LIMIT 1;
    IF FOUND AND NEW.day < last.day THEN
        RAISE EXCEPTION 'closes on %, after one that closes on %', NEW.day, last.day
              USING ERRCODE = 'RF200', CONSTRAINT = 'statement_is_not_older_than_the_last';
    END IF;
    IF FOUND AND NEW.opening <> last.closing THEN
        RAISE EXCEPTION 'opens with %, the last one closed with %', NEW.opening, last.closing
              USING ERRCODE = 'RF200', CONSTRAINT = 'statement_continues_the_last';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER statement_is_continuous BEFORE INSERT ON banking.statement
    FOR EACH ROW EXECUTE FUNCTION banking.guard_statement();

-- And opening + entries = closing, when all of them are in.
CREATE FUNCTION banking.guard_sum() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    found record;
BEGIN
    SELECT coalesce(sum(e.amount), 0) AS amount, count(*) AS entries INTO found FROM banking.entry e
     WHERE e.book_id = NEW.book_id AND e.account_name = NEW.account_name AND e.statement_id = NEW.statement_id;
    IF NEW.opening + found.amount <> NEW.closing OR found.entries <> NEW.entries THEN
        RAISE EXCEPTION 'opening % and entries % do not make closing %', NEW.opening, found.amount, NEW.closing
              USING ERRCODE = 'RF200', CONSTRAINT = 'statement_adds_up';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER statement_adds_up AFTER INSERT ON banking.statement
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION banking.guard_sum();

-- The outbox ----------------------------------------------------------------------------------------------------------

-- What was signed is what moves: the canonical bytes that people approved are in the vault under the order's id, and the
-- gateway pays from these bytes alone, after it has found their hash in the journal and everything else by itself.
CREATE TABLE banking.payment_order (
    book_id       integer     NOT NULL REFERENCES ledger.book,
    order_id      uuid        NOT NULL,
    account_name  text        NOT NULL,
    ordered_at    timestamptz NOT NULL,
    ordered       bigint      GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT payment_is_ordered_once PRIMARY KEY (book_id, order_id),
    FOREIGN KEY (book_id, account_name) REFERENCES banking.account (book_id, name)
);

-- `payee_id` and `amount` are the gateway's own memory of what went to whom, for as long as a payee is new.
CREATE TABLE banking.submission (
    book_id       integer     NOT NULL,
    order_id      uuid        NOT NULL,
    message_id    text        NOT NULL,
    file_name     text        NOT NULL,
    file_sha256   text        NOT NULL,
    submitted_at  timestamptz NOT NULL,
    payee_id      uuid,
    amount        bigint      NOT NULL,
    CONSTRAINT payment_is_submitted_once PRIMARY KEY (book_id, order_id),
    CONSTRAINT submission_amount_is_positive CHECK (amount > 0),
    FOREIGN KEY (book_id, order_id) REFERENCES banking.payment_order (book_id, order_id)
);
CREATE INDEX submission_payee ON banking.submission (book_id, payee_id) WHERE payee_id IS NOT NULL;

-- What the gateway would not send, and why; it looks again, so a reason is kept once.
CREATE TABLE banking.withheld (
    book_id      integer     NOT NULL,
    order_id     uuid        NOT NULL,
    reason       text        NOT NULL,
    sentence     text        NOT NULL,
    withheld_at  timestamptz NOT NULL,
    CONSTRAINT withheld_once_for_a_reason PRIMARY KEY (book_id, order_id, reason),
    FOREIGN KEY (book_id, order_id) REFERENCES banking.payment_order (book_id, order_id)
);

CREATE TABLE banking.payment_status (
    book_id      integer     NOT NULL,
    order_id     uuid        NOT NULL,
    code         text        NOT NULL,
    outcome      text        NOT NULL,
    reasons      text        NOT NULL,
    file_sha256  text        NOT NULL,
    reported_at  timestamptz NOT NULL,
    taken        bigint      GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT status_is_taken_once PRIMARY KEY (book_id, order_id, code),
    FOREIGN KEY (book_id, order_id) REFERENCES banking.payment_order (book_id, order_id),
    FOREIGN KEY (book_id, file_sha256) REFERENCES banking.file (book_id, sha256)
);

-- Who may what. Sheets are put on the shelf, never changed.
GRANT USAGE ON SCHEMA banking TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA banking
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT INSERT ON banking.account, banking.payment_order TO ringfence_core;
GRANT INSERT ON banking.file, banking.statement, banking.entry, banking.advice,
                banking.submission, banking.withheld, banking.payment_status TO ringfence_gateway;
REVOKE ALL ON FUNCTION banking.guard_statement, banking.guard_sum FROM PUBLIC;
-- banking: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('banking');
SELECT ledger.fix_search_paths('banking');
