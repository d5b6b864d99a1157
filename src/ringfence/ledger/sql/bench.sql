-- The references that `ringfence bench journal` measures the journal against. Used in a scratch database only.

-- name: make_references
CREATE SCHEMA bench;
CREATE TABLE bench.journal (LIKE ledger.journal INCLUDING ALL);
CREATE TABLE bench.account (account bigint PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE bench.counter (one boolean PRIMARY KEY DEFAULT true, sequence bigint NOT NULL);
CREATE TABLE bench.transfer (sequence bigint PRIMARY KEY, id uuid NOT NULL UNIQUE, debit bigint, credit bigint, amount bigint);
INSERT INTO bench.account SELECT each, 1000000000 FROM generate_series(1, 10000) each;
INSERT INTO bench.counter (sequence) VALUES (0);
CREATE FUNCTION bench.transfer(debit_ bigint, credit_ bigint, amount_ bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE number bigint;
BEGIN
    PERFORM FROM bench.account WHERE account IN (debit_, credit_) ORDER BY account FOR UPDATE;
    UPDATE bench.account SET balance = balance - amount_ WHERE account = debit_ AND balance >= amount_;
    IF NOT FOUND THEN RETURN -1; END IF;
    UPDATE bench.account SET balance = balance + amount_ WHERE account = credit_;
    UPDATE bench.counter SET sequence = sequence + 1 RETURNING sequence INTO number;
    INSERT INTO bench.transfer VALUES (number, gen_random_uuid(), debit_, credit_, amount_);
    RETURN number;
END $$;
GRANT USAGE ON SCHEMA bench TO ringfence_core;
GRANT ALL ON ALL TABLES IN SCHEMA bench TO ringfence_core;

-- name: naive_transfer
SELECT bench.transfer(%s, %s, %s);

-- name: raw_copy
COPY bench.journal (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, refers_to, order_id,
                    code, value_date, posted_at, expires_at, payload) FROM STDIN (FORMAT BINARY);
