-- The simulated bank's own memory (SQLite). It is the outside world: nothing else of Ringfence reads it.
-- Times are UTC with milliseconds, days are the bank's; both sort as text. Amounts are minor units.

-- name: schema
create table if not exists bank (
    only_row           integer primary key constraint there_is_one_bank check (only_row = 1),
    name               text    not null,
    code               text    not null,
    seed               integer not null,
    utc_offset_minutes integer not null,
    switches           text    not null  -- canonical JSON of Switches
);

create table if not exists account (
    number        text    primary key,
    scheme        text    not null,
    owner_name    text    not null,
    currency      text    not null,
    opened_on     text    not null,
    opening_minor integer not null,
    balance_minor integer not null constraint account_must_not_be_overdrawn check (balance_minor >= 0)
);

-- What has been booked. An entry belongs to the statement of `statement_day` once its day is closed.
create table if not exists entry (
    entry_id               integer primary key,
    number                 text    not null references account (number),
    kind                   text    not null,
    signed_minor           integer not null constraint an_entry_moves_money check (signed_minor <> 0),
    booked_on              text    not null,
    receipt_id             text,
    message_id             text    not null,
    payment_information_id text    not null,
    instruction_id         text    not null,
    end_to_end_id          text    not null,
    counterparty_name      text    not null,
    counterparty_scheme    text,
    counterparty_number    text,
    remittance_text        text    not null,
    return_reason          text    not null,
    statement_day          text,
    constraint a_receipt_is_booked_once unique (number, receipt_id)
);
create index if not exists entry_without_statement on entry (number, booked_on) where statement_day is null;

-- Files taken from to_bank/. `taken` is 0 between booking a file's orders and moving the file away.
create table if not exists received_file (
    file_id integer primary key,
    name    text    not null,
    sha256  text    not null,
    taken   integer not null
);

create table if not exists received_message (
    message_id text primary key
);

-- Orders that were taken. Rejected ones are kept too, but only the others use up their EndToEndId.
create table if not exists payment (
    payment_id             integer primary key,
    number                 text    not null references account (number),
    scheme                 text    not null,
    message_id             text    not null,
    payment_information_id text    not null,
    instruction_id         text    not null,
    end_to_end_id          text    not null,
    amount_minor           integer not null constraint a_payment_is_positive check (amount_minor > 0),
    creditor_name          text    not null,
    creditor_scheme        text    not null,
    creditor_number        text    not null,
    remittance_text        text    not null,
    execute_on             text    not null,
    state                  text    not null check (state in ('waiting', 'paid', 'rejected', 'returned')),
    silent                 integer not null,
    return_on              text,
    return_reason          text
);
create unique index if not exists an_end_to_end_id_is_paid_once
    on payment (number, end_to_end_id) where state <> 'rejected';

create table if not exists statement (
    number          text    not null references account (number),
    last_day        text    not null,
    first_day       text    not null,
    sequence_number integer not null,
    opening_minor   integer not null,
    closing_minor   integer not null,
    primary key (number, last_day),
    unique (number, sequence_number)
);

-- Files for from_bank/, exactly as they are to be sent: queued in the transaction that books what they tell.
create table if not exists outgoing_file (
    file_id integer primary key,
    name    text    not null unique,
    content blob    not null,
    due_at  text    not null,
    written integer not null
);

-- name: bank
select name, code, seed, utc_offset_minutes, switches from bank;

-- name: found_bank
insert into bank (only_row, name, code, seed, utc_offset_minutes, switches)
values (1, :name, :code, :seed, :utc_offset_minutes, :switches)
on conflict (only_row) do nothing;

-- name: set_switches
update bank set switches = :switches;

-- name: account
select * from account where number = :number;

-- name: accounts
select * from account order by number;

-- name: open_account
insert into account (number, scheme, owner_name, currency, opened_on, opening_minor, balance_minor)
values (:number, :scheme, :owner_name, :currency, :opened_on, :opening_minor, :opening_minor);

-- name: book_entry
insert into entry (number, kind, signed_minor, booked_on, receipt_id, message_id, payment_information_id,
                   instruction_id, end_to_end_id, counterparty_name, counterparty_scheme, counterparty_number,
                   remittance_text, return_reason)
values (:number, :kind, :signed_minor, :booked_on, :receipt_id, :message_id, :payment_information_id,
        :instruction_id, :end_to_end_id, :counterparty_name, :counterparty_scheme, :counterparty_number,
        :remittance_text, :return_reason);

-- name: move_balance
update account set balance_minor = balance_minor + :signed_minor where number = :number;

-- name: entry
select * from entry where entry_id = :entry_id;

-- name: entries
select * from entry where number = :number order by entry_id;

-- name: entry_of_receipt
select * from entry where number = :number and receipt_id = :receipt_id;

-- name: entries_to_state
select * from entry
where number = :number and statement_day is null and booked_on <= :last_day
order by booked_on, entry_id;

-- name: entries_stated
select * from entry where number = :number and statement_day = :last_day order by booked_on, entry_id;

-- name: state_entries
update entry set statement_day = :last_day
where number = :number and statement_day is null and booked_on <= :last_day;

-- name: file_being_taken
select file_id from received_file where name = :name and sha256 = :sha256 and taken = 0;

-- name: files_being_taken
select file_id, name from received_file where taken = 0;

-- name: begin_taking
insert into received_file (name, sha256, taken) values (:name, :sha256, 0);

-- name: end_taking
update received_file set taken = 1 where file_id = :file_id;

-- name: has_message
select 1 from received_message where message_id = :message_id;

-- name: remember_message
insert into received_message (message_id) values (:message_id);

-- name: has_end_to_end_id
select 1 from payment where number = :number and end_to_end_id = :end_to_end_id and state <> 'rejected';

-- name: take_payment
insert into payment (number, scheme, message_id, payment_information_id, instruction_id, end_to_end_id, amount_minor,
                     creditor_name, creditor_scheme, creditor_number, remittance_text, execute_on, state, silent)
values (:number, :scheme, :message_id, :payment_information_id, :instruction_id, :end_to_end_id, :amount_minor,
        :creditor_name, :creditor_scheme, :creditor_number, :remittance_text, :execute_on, 'waiting', :silent);

-- name: payment
select * from payment where payment_id = :payment_id;

-- name: payments_due
select * from payment where state = 'waiting' and execute_on <= :day order by payment_id;

-- name: reject_payment
update payment set state = 'rejected' where payment_id = :payment_id;

-- name: pay
update payment set state = 'paid', return_on = :return_on, return_reason = :return_reason
where payment_id = :payment_id;

-- name: returns_due
select * from payment where number = :number and state = 'paid' and return_on <= :day order by payment_id;

-- name: return_payment
update payment set state = 'returned' where payment_id = :payment_id;

-- name: last_statement
select * from statement where number = :number order by last_day desc limit 1;

-- name: statement
select * from statement where number = :number and last_day = :last_day;

-- name: close_statement
insert into statement (number, last_day, first_day, sequence_number, opening_minor, closing_minor)
values (:number, :last_day, :first_day, :sequence_number, :opening_minor, :closing_minor);

-- name: next_file_id
select coalesce(max(file_id), 0) + 1 from outgoing_file;

-- name: queue_file
insert into outgoing_file (name, content, due_at, written) values (:name, :content, :due_at, 0);

-- name: files_due
select file_id, name, content from outgoing_file where written = 0 and due_at <= :now order by file_id;

-- name: file_written
update outgoing_file set written = 1 where file_id = :file_id;
