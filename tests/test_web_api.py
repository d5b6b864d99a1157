"""The API as programs meet it: who may ask what, refusals by name, orders placed once."""

from base64 import b64decode
from uuid import UUID

import pytest
import rfc8785
from fastapi.openapi.models import OpenAPI

from console_world import PASSWORD, SCRIPT, console_world, modules
from custody_world import DAY, PAYEE
from origin_world import Person
from ringfence.authority.clients import SCOPES
from ringfence.diligence.advancing import advance
from ringfence.evidence.checkpoint import parse_text
from ringfence.evidence.tree import check_record, record_hash
from ringfence.liabilities import proving
from ringfence.liabilities.settings import Proving
from ringfence.refusal import declared
from ringfence.safeguarding.day import close_day
from ringfence.web.answers import RefusalAnswer
from ringfence.web.visit import Scoped

ORDER = {"id": str(UUID(int=77)), "customer": "c1", "amount": {"amount": "5.00", "currency": "EUR"}, "reference": "r"}


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found
        assert found.incidents() == []


def endpoints():
    """Every endpoint of the API that is for callers: its method and address."""
    routes = [route for module in modules() if module.router for route in module.router.routes]
    return [(method, "/api/v1" + route.path, route) for route in routes for method in route.methods]


def filled(path):
    return (
        path.replace("{sequence}", "3")
        .replace("{name}", "x")
        .replace("{id}", str(UUID(int=9)))
        .replace("{account}", "x")
    )


def test_nobody_asks_without_a_token(console):
    browser = console.browser()
    asked = endpoints()
    assert len(asked) > 25
    for method, path, _ in asked:
        answer = browser.request(method, filled(path))
        assert (answer.status_code, answer.json()["refused"]) == (401, "nobody_is_signed_in"), path
        assert answer.headers["www-authenticate"] == "Bearer"
        wrong = browser.request(method, filled(path), headers={"authorization": "Bearer rf_" + "x" * 43})
        assert wrong.status_code == 401, path


def test_a_program_reaches_as_far_as_its_scopes(console):
    """Every endpoint names a scope, or is for people; a token without that scope is refused by name."""
    for_people = {
        "/api/v1/sessions/current",
        "/api/v1/proposals/{id}/decisions",
        "/api/v1/policy/proposals",
        "/api/v1/rule-packs/proposals",
        "/api/v1/corrections",
        "/api/v1/people",
        "/api/v1/people/{id}/deactivation",
        "/api/v1/clients",
        "/api/v1/clients/{id}",
        "/api/v1/clients/{id}/keys",
        "/api/v1/clients/{id}/keys/{fingerprint}",
        "/api/v1/clients/{id}/keys/{fingerprint}/admission",
        "/api/v1/clients/{id}/signing",
        "/api/v1/sessions",
        "/api/v1/sessions/{id}",
        "/api/v1/door",
        "/api/v1/access",
        "/api/v1/access/reviews",
        "/api/v1/training",
        "/api/v1/training/completions",
        "/api/v1/training/completions/{sequence}",
        "/api/v1/code-device",
        "/api/v1/notifications",
        "/api/v1/notifications/read",
        "/api/v1/providers",
        "/api/v1/providers/{provider}",
        "/api/v1/providers/{provider}/proposals",
        "/api/v1/providers/{provider}/identities/{person}",
        "/api/v1/identities",
        "/api/v1/passkeys",
        "/api/v1/passkeys/challenges",
        "/api/v1/passkeys/{credential}",
        "/api/v1/brake/pulls",
        "/api/v1/brake/releases",
        "/api/v1/discrepancies/{id}/acceptance",
        "/api/v1/customers/{id}/matches/{party}",
        "/api/v1/customers/{id}/restrictions",
        "/api/v1/customers/{id}/closing",
        "/api/v1/accounts/{name}/limits",
        "/api/v1/periods/closings",
        "/api/v1/pools/{pool}/guard",
        "/api/v1/monitors/{name}",
        "/api/v1/monitors/{name}/switch-off",
        "/api/v1/vault/reveals",
        "/api/v1/customers/{id}/erasures",
        "/api/v1/customers/{id}/logins",
    }
    powerless = console.program()
    for method, path, route in endpoints():
        scopes = [each.dependency.scope for each in route.dependencies if isinstance(each.dependency, Scoped)]
        own = path.startswith("/api/v1/my/")  # a customer's own login
        assert (path in for_people or own) == (not scopes), path
        assert set(scopes) <= SCOPES, path
        said = {"decision": "approve", "sha256": "0" * 64} if "decisions" in path else {"reason": "because of this"}
        answer = powerless.request(method, filled(path), json=said if method == "POST" else None)
        expected = "scope_is_missing" if scopes else "address_is_for_customers" if own else "person_lacks_the_role"
        assert (answer.status_code, answer.json()["refused"]) == (403, expected), (path, answer.text)


def test_a_cookie_asks_but_does_not_change(console):
    browser = console.browser("tina")
    assert browser.get("/api/v1/orders").status_code == 200
    answer = browser.post("/api/v1/freezes", json=ORDER)
    assert (answer.status_code, answer.json()["refused"]) == (403, "cookie_does_not_authorise")


def test_an_order_is_placed_once_however_often_it_is_sent(console):
    shop = console.program("orders:write", "orders:read", "statements:read")
    first = shop.post("/api/v1/freezes", json=ORDER)
    assert (first.status_code, first.json()["state"]) == (200, "settled")
    assert shop.post("/api/v1/freezes", json=ORDER).json() == first.json()
    other = shop.post("/api/v1/freezes", json=ORDER | {"amount": {"amount": "6.00", "currency": "EUR"}})
    assert (other.status_code, other.json()["refused"]) == (409, "order_id_already_has_other_content")
    frozen = shop.get("/api/v1/accounts/customer:c1:frozen/statement").json()
    assert frozen["account"]["balance"] == {"amount": "5.00", "currency": "EUR"}
    assert [row["change"]["amount"] for row in frozen["rows"]] == ["5.00"]
    assert shop.get(f"/api/v1/orders/{ORDER['id']}").json()["maker"].startswith("client:")


def test_an_order_that_cannot_be_is_refused_with_a_sentence_in_the_readers_language(console):
    shop = console.program("orders:write")
    for changes, status, name in (
        ({"amount": {"amount": "99999999.00", "currency": "EUR"}}, 409, "balance_must_not_fall_below_its_minimum"),
        ({"amount": {"amount": "0.00", "currency": "EUR"}}, 422, "amount_of_an_order_must_be_positive"),
        ({"amount": {"amount": "0.001", "currency": "EUR"}}, 422, "amount_is_not_a_decimal"),
        ({"amount": {"amount": "9" * 30, "currency": "EUR"}}, 422, "amount_overflows"),
        ({"amount": {"amount": "1.00", "currency": "USD"}}, 422, "currency_must_be_the_customers"),
        ({"amount": {"amount": 1.5, "currency": "EUR"}}, 422, "request_is_malformed"),
        ({"amount": {"amount": "1e3", "currency": "EUR"}}, 422, "request_is_malformed"),
        ({"customer": "nobody"}, 404, "customer_must_exist"),
        ({"id": "7"}, 422, "request_is_malformed"),
        ({"unknown": "field"}, 422, "request_is_malformed"),
    ):
        answer = shop.post("/api/v1/freezes", json=ORDER | {"id": str(console.world.core.new_id())} | changes)
        assert (answer.status_code, answer.json()["refused"]) == (status, name), changes
    chinese = shop.post("/api/v1/freezes", json=ORDER | {"customer": "nobody"}, headers={"accept-language": "zh"})
    assert chinese.json() == {
        "refused": "customer_must_exist",
        "sentence": "没有客户 nobody。",
        "facts": {"customer": "nobody"},
    }
    assert shop.post("/api/v1/freezes", content=b"{").json()["refused"] == "request_is_malformed"


def test_what_was_sent_is_not_repeated_in_the_refusal(console):
    answer = console.browser().post("/api/v1/sessions", json={"name": "tina", "password": ["swordfish"]})
    assert (answer.status_code, answer.json()["refused"]) == (422, "request_is_malformed")
    assert "swordfish" not in answer.text


def test_every_kind_of_order_has_its_address(console):
    shop = console.program("orders:write", "customers:write", "customers:read")
    new = {"id": "new", "name": "New One", "nature": "person", "payee_account": PAYEE, "bank": "bank:alpha:client"}
    assert shop.post("/api/v1/customers", json=new).json()["customer"]["reference"] == "RF-new"
    assert shop.post("/api/v1/customers", json=new).status_code == 200
    assert (
        shop.post("/api/v1/customers", json=new | {"name": "X"}).json()["refused"] == "customer_is_registered_already"
    )

    paper = {"kind": "passport", "country": "NL", "sha256": "cd" * 32}
    other = new | {"id": "other", "name": "Other", "identity_number": "NL99001122", "documents": [paper]}
    assert shop.post("/api/v1/customers", json=other).status_code == 200
    assert shop.post("/api/v1/customers", json=other).status_code == 200, "a lost answer"
    advance(console.world.diligence, "other")

    def place(path, **more):
        said = ORDER | {"id": str(console.world.core.new_id())} | more
        return shop.post(f"/api/v1/{path}", json=said).json()

    assert place("freezes")["state"] == "settled"
    assert place("releases")["state"] == "settled"
    assert place("fees")["state"] == "settled"
    assert place("transfers", to_customer="new")["refused"] == "customer_must_be_verified"
    assert place("transfers", to_customer="other")["state"] in ("settled", "held")
    assert place("transfers", to_customer="c1")["refused"] == "customers_must_be_different"
    assert place("withdrawals", payee_account=PAYEE)["state"] in ("released", "held")
    expected = place("deposits")
    assert expected["state"] == "expected"
    assert shop.post(f"/api/v1/orders/{expected['id']}/cancellation").json()["state"] == "cancelled"
    again = shop.post(f"/api/v1/orders/{expected['id']}/cancellation").json()
    assert again["refused"] == "order_may_not_do_that_now"
    wallet = shop.get("/api/v1/customers/evil").json()
    amounts = [wallet[part]["amount"] for part in ("balance", "available", "held", "frozen")]
    assert amounts == ["69.00", "16.00", "3.00", "50.00"]


def test_people_without_the_role_place_nothing(console):
    browser = console.browser()
    token = browser.post("/api/v1/sessions", json={"name": "adam", "password": PASSWORD}).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    answer = browser.post("/api/v1/freezes", json=ORDER, headers=headers)
    assert (answer.status_code, answer.json()["refused"]) == (403, "person_lacks_the_role")
    assert browser.delete("/api/v1/sessions/current", headers=headers).status_code == 204
    assert browser.get("/api/v1/orders", headers=headers).status_code == 401


def test_a_person_decides_over_the_api_as_in_the_console(console):
    browser = console.browser()

    def signed(name):
        token = browser.post("/api/v1/sessions", json={"name": name, "password": PASSWORD}).json()["token"]
        return {"authorization": f"Bearer {token}"}

    adam, tina = signed("adam"), signed("tina")
    [first, *_] = browser.get("/api/v1/proposals", headers=adam).json()["proposals"]
    decision = {"decision": "approve", "sha256": first["sha256"]}
    address = f"/api/v1/proposals/{first['id']}/decisions"
    assert browser.post(address, json=decision, headers=tina).json()["refused"] == "maker_may_not_check"
    other = decision | {"sha256": "0" * 64}
    assert browser.post(address, json=other, headers=adam).json()["refused"] == "payload_was_changed"
    assert browser.post(address, json=decision, headers=adam).json()["approvals"] == 1
    assert browser.post(address, json=decision, headers=adam).json()["refused"] in (
        "person_decided_already",
        "proposal_is_not_open",
    )


def test_pages_of_the_api_lead_to_the_last(console):
    shop = console.program("journal:read", "orders:read", "customers:read", "statements:read")
    seen, before = [], ""
    while True:
        page = shop.get(f"/api/v1/journal?limit=7{before}").json()
        seen += [row["sequence"] for row in page["rows"]]
        if page["older"] is None:
            break
        before = f"&before={page['older']}"
    assert seen == list(range(len(seen)))[::-1]
    orders, before = [], {}
    while True:
        page = shop.get("/api/v1/orders", params={"limit": 3} | before).json()
        orders += [each["id"] for each in page["orders"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert len(orders) == len(set(orders)) == 10
    names, after = [], {}
    while True:
        page = shop.get("/api/v1/customers", params={"limit": 2} | after).json()
        names += [each["id"] for each in page["customers"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert names == ["c1", "c2", "c3", "evil"]
    assert shop.get("/api/v1/journal?limit=0").status_code == 422
    assert shop.get("/api/v1/journal?limit=501").status_code == 422


def test_a_statement_is_kept_as_a_table_that_no_spreadsheet_runs(console):
    shop = console.program("statements:read")
    answer = shop.get("/api/v1/accounts/customer:c1:available/statement.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="customer-c1-available.csv"'
    header, first, *_ = answer.content.decode("utf-8-sig").splitlines()
    assert header.startswith("sequence,posted_at,value_date,kind,purpose,change,balance")
    assert ",transfer,deposit,30000.00,30000.00,0.00,EUR,bank:alpha:client," in first


def test_the_position_says_whether_all_is_there(console):
    shop = console.program("position:read", "evidence:read")
    answer = shop.get("/api/v1/position").json()
    [euro] = answer["currencies"]
    assert euro["requirement"] == {"amount": "29963.34", "currency": "EUR"} or euro["shortfall"]["amount"] == "0.00"
    assert answer["day"] == "2026-03-02"
    assert shop.get("/api/v1/brake").json()["pulled"] is False
    assert {each["level"] for each in shop.get("/api/v1/indicators").json()["indicators"]} <= {"green", "amber", "red"}


def test_a_receipt_proves_a_row_under_the_checkpoint(console):
    """The console's receipt, checked by the tree's own rule against the root that the notary signed."""
    shop = console.program("evidence:read", "journal:read")
    text = shop.get("/api/v1/checkpoint").text
    signed = parse_text(text.partition("\n\n")[0] + "\n")
    made = shop.get("/api/v1/receipts/4").json()
    proof = [b64decode(each) for each in made["path"]]
    check_record(proof, signed.size, signed.root, 4, record_hash(b64decode(made["leaf"])))
    assert shop.get("/api/v1/receipts/99999").json()["refused"] == "row_is_not_notarised_yet"


# -- the description --------------------------------------------------------------------------------------------------


def test_openapi_is_valid_and_names_every_refusal(console):
    described = console.browser().get("/api/v1/openapi.json").json()
    OpenAPI.model_validate(described)
    names = {each.name for each in declared()}
    operations = [
        (path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    # And those that find out by themselves who asks: the sign-in, and what posts rows.
    entrances = [route for module in modules() if module.entrance for route in module.entrance.routes]
    assert len(operations) == len(endpoints()) + len(entrances)
    for path, method, operation in operations:
        assert path.startswith("/api/v1/"), path
        assert operation["summary"], path
        unauthorised = operation["responses"]["401"]["content"]["application/json"]["examples"]
        assert "nobody_is_signed_in" in unauthorised, path
        for status, answer in operation["responses"].items():
            for name, example in answer.get("content", {}).get("application/json", {}).get("examples", {}).items():
                assert name in names, (path, method, name)
                assert RefusalAnswer.model_validate(example["value"]).refused == name
                assert status == "422" or int(status) in (400, 401, 403, 404, 409, 413, 503), path
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))


def test_every_reference_of_the_description_leads_somewhere(console):
    described = console.browser().get("/api/v1/openapi.json").json()

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for each in node.values():
                yield from references(each)
        elif isinstance(node, list):
            for each in node:
                yield from references(each)

    found = set(references(described))
    assert found
    for reference in found:
        place = described
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_the_description_is_read_by_people_too(console):
    text = console.browser("tina").get("/api-reference").text
    assert "/api/v1/withdrawals" in text
    assert "order_id_already_has_other_content" in text
    assert SCRIPT not in text


def test_a_customers_proof_is_a_file_and_the_statement_carries_it(console):
    """Of a day that is closed and signed; before that there is none. A customer asks for the own only."""
    world = console.world
    Person(world, password=PASSWORD).add()
    reader = console.program("evidence:read", "statements:read")
    assert reader.get("/api/v1/liabilities").json() == {"trees": []}
    answer = reader.get(f"/api/v1/customers/evil/proofs/{DAY}")
    assert (answer.status_code, answer.json()["refused"]) == (404, "liabilities_are_not_proven")
    world.wait(hours=16)
    world.bank.close_day(DAY, world.now)
    world.turn()
    close_day(world.core, DAY)
    world.notary.step(world.now)
    world.sign_in_again()
    assert proving.prove_all(proving.Desk(world.core, world.desk.vault, Proving(world.gateway.evidence))) == 1
    assert reader.get(f"/api/v1/customers/evil/proofs/{DAY}").json()["refused"] == "liabilities_are_not_notarised_yet"
    world.notary.step(world.now)
    [tree] = reader.get("/api/v1/liabilities").json()["trees"]
    assert (tree["count"], tree["auditors"], tree["mode"]) == (4, [], "auditor")
    [listed] = reader.get("/api/v1/customers/evil/proofs").json()["proofs"]
    proof = reader.get(listed["address"])
    assert rfc8785.dumps(proof.json()) == proof.content  # as the verifier wants it
    assert "attachment" in proof.headers["content-disposition"]
    assert (proof.json()["amount"], proof.json()["holder"]) == ("6900", "customer:evil")  # what waits is still his
    statement = reader.get(f"/api/v1/customers/evil/statements/{DAY}").json()
    assert statement["proof"] == proof.json()
    assert statement["balance"] == {"amount": "69.00", "currency": "EUR"}
    moved = sorted(row["change"]["amount"] for row in statement["rows"])
    assert [each for each in moved if each != "0.00"] == ["-1.00", "-50.00", "50.00", "70.00"]
    ann = console.browser("ann")
    [listed] = ann.get("/api/v1/my/proofs").json()["proofs"]
    assert ann.get(listed["address"]).json()["holder"] == "customer:c1"
    assert ann.get(f"/api/v1/my/statements/{DAY}").json()["proof"]["holder"] == "customer:c1"
    assert ann.get("/api/v1/customers/evil/proofs").status_code == 403
    page = console.browser("tina").get("/liabilities").text
    assert tree["total"]["amount"].partition(".")[0][-3:] in page
    assert reader.get("/api/v1/customers/c4/proofs").json()["refused"] == "customer_must_exist"
