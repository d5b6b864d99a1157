"""The verb `book account`: open a custodian account, with its exchange folder to the bank.

Nobody signs in for it: it is done on the machine that holds the core's key, like the founding of the book, and the
journal says that it was.
"""

import re
from typing import Annotated, Final

import typer

from ringfence.authority.verbs import Book, Login, signed_in
from ringfence.command import AsJson, BookName, Home, verb
from ringfence.refusal import Fault, refusal

WORD: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
HOLDER_CHARACTERS_MAX: Final = 140
BANK_CODE: Final = re.compile(r"[A-Z0-9]{4,14}", re.ASCII)
FOLDERS: Final = ("to_bank", "from_bank")

BANK_AND_ACCOUNT_ARE_WORDS = refusal(
    "bank_and_account_are_words",
    Fault.INPUT,
    en="{given!r} names no bank or account: small letters, digits and hyphens, at most 40.",
    zh="{given!r} 不能作为银行或账户名称：应为小写字母、数字和连字符，最多 40 位。",
)
ACCOUNT_NUMBER_IS_GIVEN_ONCE = refusal(
    "account_number_is_given_once",
    Fault.INPUT,
    en="A custodian account has one number: give --iban, or --number where the country has no IBANs.",
    zh="存管账户只有一个账号：请给出 --iban；所在国家或地区不使用 IBAN 时给出 --number。",
)
HOLDER_HAS_A_SHORT_NAME = refusal(
    "holder_has_a_short_name",
    Fault.INPUT,
    en="The holder of an account has a name of 1 to 140 characters.",
    zh="账户户名须为 1 至 140 个字符。",
)
BANK_CODE_IS_MALFORMED = refusal(
    "bank_code_is_malformed",
    Fault.INPUT,
    en="{given!r} is not a bank's code: its BIC, or 4 to 14 capital letters and digits.",
    zh="{given!r} 不是银行代码：应为 BIC，或 4 至 14 位大写字母和数字。",
)
CUSTODIAN_ACCOUNT_IS_OPEN_ALREADY = refusal(
    "custodian_account_is_open_already",
    Fault.STATE,
    en="The custodian account {account} is open already with other particulars.",
    zh="存管账户 {account} 已以不同资料开立。",
)
EXCHANGE_FOLDER_CANNOT_BE_MADE = refusal(
    "exchange_folder_cannot_be_made",
    Fault.MACHINE,
    en="The exchange folder {path} cannot be made: {detail}.",
    zh="无法创建交换文件夹 {path}：{detail}。",
)


def account(
    book: Book,
    bank: Annotated[str, typer.Argument(help="Our word for the bank / 银行简称。")],
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Our word for the account / 账户简称。")],
    holder: Annotated[str, typer.Option(help="Name of its holder, as the bank has it / 户名。")],
    bank_code: Annotated[str, typer.Option(help="BIC of the bank, or its national code / 银行 BIC 或行号。")],
    currency: Annotated[str, typer.Option(help="Currency, ISO 4217 / 币种。")] = "EUR",
    iban: Annotated[str | None, typer.Option(help="The bank's number: an IBAN / 银行账号（IBAN）。")] = None,
    number: Annotated[str | None, typer.Option(help="The bank's number, if it is no IBAN / 非 IBAN 账号。")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Open a custodian account for client money, and its exchange folder / 开立客户资金存管账户。"""
    from ringfence import installation
    from ringfence.banking import account_number
    from ringfence.banking.desk import custodian_accounts
    from ringfence.custody.customers import open_custodian_account
    from ringfence.custody.refusals import BANK_KNOWS_ONE_ACCOUNT_BY_A_NUMBER
    from ringfence.money import currency as currency_of

    with verb(home, as_json=as_json) as screen:
        for given in (bank, name):
            if not WORD.fullmatch(given):
                raise BANK_AND_ACCOUNT_ARE_WORDS(given=given[:60])
        if (iban is None) == (number is None):
            raise ACCOUNT_NUMBER_IS_GIVEN_ONCE()
        checked = account_number.iban(iban) if iban is not None else account_number.other_number(number or "")
        if not 0 < len(holder.strip()) <= HOLDER_CHARACTERS_MAX:
            raise HOLDER_HAS_A_SHORT_NAME()
        if not BANK_CODE.fullmatch(bank_code):
            raise BANK_CODE_IS_MALFORMED(given=bank_code[:60])
        unit = currency_of(currency).code
        told = {
            "scheme": checked.scheme.value,
            "identification": checked.text,
            "holder": holder.strip(),
            "bank_code": bank_code,
        }
        ledger_name = f"bank:{bank}:{name}"
        with installation.opened(screen.settings) as server, installation.core_of(server, book) as core:
            with core.connection() as connection:
                known = custodian_accounts(connection, core.book.book_id)
            for each in known:
                said = {part: getattr(each, part) for part in told}
                if each.name == ledger_name and (each.currency, said) != (unit, told):
                    raise CUSTODIAN_ACCOUNT_IS_OPEN_ALREADY(account=ledger_name)
                if each.name != ledger_name and (each.identification, each.currency) == (checked.text, unit):
                    raise BANK_KNOWS_ONE_ACCOUNT_BY_A_NUMBER()
            opened = open_custodian_account(core, bank, name, unit=unit, **told)
        folder = screen.settings.banks / bank
        try:
            for each_folder in FOLDERS:
                (folder / each_folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EXCHANGE_FOLDER_CANNOT_BE_MADE(path=folder, detail=error.strerror or str(error)) from error
        screen.say(
            f"The custodian account {opened.name} is open ({opened.identification}, {opened.currency}). Bank files go"
            f" through {folder}.",
            f"存管账户 {opened.name} 已开立（{opened.identification}，{opened.currency}）。银行文件经 {folder} 交换。",
        )
        screen.result(
            {
                "book": book,
                "account": opened.name,
                "scheme": opened.scheme,
                "number": opened.identification,
                "currency": opened.currency,
                "exchange": str(folder),
            }
        )


def erase(
    customer: Annotated[str, typer.Argument(help="Id of the customer / 客户编号。")],
    login: Login,
    reason: Annotated[str, typer.Option(help="Why / 原因。")],
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Propose to erase a customer's sensitive fields for good; others approve it / 提议永久擦除客户敏感信息。"""
    from ringfence.custody.personal.erasure import propose_erasure

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        drafted = propose_erasure(core, session, customer, reason)
        screen.say(f"Proposed: {drafted.proposal_id}", f"已提议：{drafted.proposal_id}")
        screen.result({"book": book, "customer": customer, "proposal": str(drafted.proposal_id)})
