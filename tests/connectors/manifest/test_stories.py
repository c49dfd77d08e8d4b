"""What happens at each provider, played by a server with a state of its own, and what the manifest makes of it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.connectors.manifest.stories import LAST, REGISTRY, opened, read, rows, told
from tests.fakes import (
    akahu_server,
    lunchflow_server,
    mercury_server,
    monobank_server,
    pluggy_server,
    teller_server,
    trading212_server,
    truelayer_server,
    up_server,
)
from worker.connectors.base import AccountType, AuthState, BalanceKind, IdClass, Quota
from worker.connectors.errors import AuthenticationError, RateLimitError, RateLimitScope
from worker.connectors.manifest.loading import parse_manifest, shipped
from worker.connectors.manifest.session import base_url_of

UP = {"token": up_server.TOKEN}
AKAHU = {"app_token": akahu_server.APP, "user_token": akahu_server.USER}
PLUGGY = {"client_id": pluggy_server.CLIENT, "client_secret": pluggy_server.SECRET, "item_id": pluggy_server.ITEM}
MONOBANK = {"token": monobank_server.TOKEN}
LUNCHFLOW = {"api_key": lunchflow_server.KEY}
MERCURY = {"token": mercury_server.TOKEN}
TRADING212 = {"api_key": trading212_server.KEY, "api_secret": trading212_server.SECRET}
TELLER = {"access_key": teller_server.TOKEN}
TRUELAYER = truelayer_server.APP | {"refresh_token": "refresh-canary-0"}


class TestUp:
    def test_a_held_row_settles_under_its_id_and_of_the_day_in_melbourne(self):
        fake = up_server.FakeUp()
        fake.hold("t-1", -1250, "2026-11-09T23:30:00+11:00")
        with opened(fake, "up", UP) as connector:
            assert [told(connector, row) for row in rows(connector, up_server.ACCOUNT)] == [
                ("t-1", "2026-11-09", "-12.50", True)
            ]
            fake.settle("t-1", -1300, "2026-11-11T00:10:00+11:00")
            assert [told(connector, row) for row in rows(connector, up_server.ACCOUNT)] == [
                ("t-1", "2026-11-11", "-13.00", False)
            ]

    def test_links_lead_through_all_pages(self):
        fake = up_server.FakeUp()
        for number in range(5):
            fake.hold(f"t-{number}", -100 - number, f"2026-11-{10 + number}T12:00:00+11:00")
        with opened(fake, "up", UP) as connector:
            assert len(rows(connector, up_server.ACCOUNT)) == 5
        assert fake.paths().count(f"/api/v1/accounts/{up_server.ACCOUNT}/transactions") == 3

    def test_the_balance_is_the_available_one(self):
        with opened(up_server.FakeUp(), "up", UP) as connector:
            (account,) = connector.list_accounts()
        assert account.balance is not None
        assert (str(account.balance.amount), account.balance.kind) == ("100.00", BalanceKind.AVAILABLE)

    def test_a_token_that_was_revoked_asks_for_the_user(self):
        with opened(up_server.FakeUp(), "up", {"token": "old"}) as connector:
            assert connector.get_auth_status().state is AuthState.NEEDS_USER


class TestMonobank:
    def test_two_statements_within_a_minute_defer_the_run(self):
        fake = monobank_server.FakeMonobank()
        with opened(fake, "monobank", MONOBANK) as connector:
            rows(connector, monobank_server.ACCOUNT)
            with pytest.raises(RateLimitError) as refused:
                rows(connector, monobank_server.ACCOUNT)
            assert refused.value.scope is RateLimitScope.QUOTA
            fake.now += timedelta(seconds=60)
            rows(connector, monobank_server.ACCOUNT)

    def test_a_run_asks_for_the_accounts_once_though_it_looks_at_the_login_first(self):
        fake = monobank_server.FakeMonobank()
        with opened(fake, "monobank", MONOBANK) as connector:
            assert connector.get_auth_status().state is AuthState.OK
            assert len(connector.list_accounts()) == 1
            rows(connector, monobank_server.ACCOUNT)
        assert fake.paths().count("/personal/client-info") == 1

    def test_the_ledger_of_allowances_knows_the_minute_beforehand(self):
        quotas = REGISTRY.get("monobank").capabilities.quotas
        assert Quota(endpoint="transactions", calls=1, window_s=60, reserve=0) in quotas

    def test_no_call_asks_for_more_than_31_days(self):
        fake = monobank_server.FakeMonobank()
        connector_type = REGISTRY.get("monobank")
        assert connector_type.capabilities.window_days == 31
        with opened(fake, "monobank", MONOBANK) as connector:
            longest = date(2026, 10, 20), date(2026, 11, 19)  # with the end of summer time in between
            assert rows(connector, monobank_server.ACCOUNT, *longest) == []

    def test_a_statement_that_is_cut_at_500_rows_is_asked_for_to_the_end(self):
        fake = monobank_server.FakeMonobank()
        first = datetime(2026, 11, 2, tzinfo=UTC)
        fake.rows = [monobank_server.row(f"r{n}", first + timedelta(minutes=n // 2), -100) for n in range(1_201)]
        with opened(fake, "monobank", MONOBANK) as connector:
            found = []
            for page in connector.get_transactions(monobank_server.ACCOUNT, date(2026, 11, 1), LAST):
                found += [row.external_id for row in page.transactions]
                fake.now += timedelta(minutes=1)
        assert sorted(found) == sorted(f"r{n}" for n in range(1_201))

    def test_a_hold_settles_under_its_id_and_a_purchase_abroad_keeps_its_own_amount(self):
        fake = monobank_server.FakeMonobank()
        at = datetime(2026, 11, 9, 22, 30, tzinfo=UTC)
        fake.rows = [monobank_server.row("h", at, -180_000, hold=True, operationAmount=-4_000, currencyCode=978)]
        with opened(fake, "monobank", MONOBANK) as connector:
            (held,) = rows(connector, monobank_server.ACCOUNT)
            assert told(connector, held) == ("h", "2026-11-10", "-1800.00", True)
            assert held.stated_amounts == {"original_amount": "-40.00", "original_currency": "EUR"}
            fake.rows[0]["hold"] = False
            fake.now += timedelta(minutes=1)
            (posted,) = rows(connector, monobank_server.ACCOUNT)
            assert told(connector, posted) == ("h", "2026-11-10", "-1800.00", False)


class TestAkahu:
    def test_pending_rows_are_a_list_of_their_own_without_ids(self):
        fake = akahu_server.FakeAkahu()
        fake.pending = [akahu_server.pending("2026-11-09T11:00:00.000Z", -60.25)]
        with opened(fake, "akahu", AKAHU) as connector:
            assert [told(connector, row) for row in rows(connector, None)] == [(None, "2026-11-10", "-60.25", True)]
            fake.settled, fake.pending = [akahu_server.settled("trans_1", "2026-11-10T11:00:00.000Z", -61)], []
            assert [told(connector, row) for row in rows(connector, None)] == [("trans_1", "2026-11-11", "-61", False)]

    def test_both_days_of_a_window_belong_to_it_though_the_start_is_exclusive(self):
        fake = akahu_server.FakeAkahu()
        moments = ["2026-11-09T11:00:00.000Z", "2026-11-10T10:59:59.999Z", "2026-11-10T11:00:00.000Z"]
        fake.settled = [akahu_server.settled(f"t{at}", moment, -1) for at, moment in enumerate(moments)]
        with opened(fake, "akahu", AKAHU) as connector:
            day = date(2026, 11, 10)
            assert [row.external_id for row in rows(connector, None, day, day)] == ["t0", "t1"]

    def test_what_is_owed_on_a_card_is_negative(self):
        with opened(akahu_server.FakeAkahu(), "akahu", AKAHU) as connector:
            (account,) = connector.list_accounts()
        assert account.balance is not None
        assert (account.account_type, str(account.balance.amount)) == (AccountType.CREDIT, "-125.5")

    def test_a_conversion_keeps_its_amount_currency_and_rate(self):
        fake = akahu_server.FakeAkahu()
        conversion = {"amount": 8.5, "currency": "USD", "rate": 1.65}
        at = "2026-11-10T11:00:00.000Z"
        fake.settled = [akahu_server.settled("t", at, -14.03, meta={"conversion": conversion})]
        with opened(fake, "akahu", AKAHU) as connector:
            (row,) = rows(connector, None)
        assert row.stated_amounts == {"original_amount": "8.5", "original_currency": "USD", "exchange_rate": "1.65"}

    def test_a_person_who_took_the_access_back_is_asked_for(self):
        fake = akahu_server.FakeAkahu()
        fake.revoked = True
        with opened(fake, "akahu", AKAHU) as connector, pytest.raises(AuthenticationError) as refused:
            connector.list_accounts()
        assert refused.value.reason == "revoked"


class TestPluggy:
    def test_a_key_is_made_once_kept_and_made_anew_before_it_ends(self):
        fake, saved = pluggy_server.FakePluggy(), []
        with opened(fake, "pluggy", PLUGGY, saved=saved) as connector:
            connector.list_accounts()
            connector.list_accounts()
            fake.now += timedelta(minutes=119, seconds=30)
            connector.list_accounts()
        assert (len(fake.keys), len(saved)) == (2, 2)

    def test_a_key_that_is_refused_before_its_time_is_made_anew_once(self):
        fake = pluggy_server.FakePluggy()
        with opened(fake, "pluggy", PLUGGY) as connector:
            connector.list_accounts()
            fake.keys.clear()
            fake.keys["another"] = fake.now
            assert len(connector.list_accounts()) == 2

    def test_the_direction_is_the_one_that_is_said_also_on_cards(self):
        fake = pluggy_server.FakePluggy()
        fake.rows[pluggy_server.BANK] = [pluggy_server.row("b", "2026-11-10", -12.5, "DEBIT")]
        fake.rows[pluggy_server.CARD] = [
            pluggy_server.row("c", "2026-11-10", 60.75, "DEBIT"),
            pluggy_server.row("p", "2026-11-12", -60.75, "CREDIT"),
        ]
        with opened(fake, "pluggy", PLUGGY) as connector:
            bank, card = connector.list_accounts()
            amounts = [str(row.amount) for one in (bank, card) for row in rows(connector, one.external_id)]
        assert amounts == ["-12.5", "-60.75", "60.75"]
        assert [str(one.balance and one.balance.amount) for one in (bank, card)] == ["104.27", "-60.0"]

    def test_cursors_lead_through_all_pages_and_days_are_days(self):
        fake = pluggy_server.FakePluggy()
        days = [f"2026-11-{day:02}" for day in range(1, 6)]
        fake.rows[pluggy_server.BANK] = [pluggy_server.row(day, day, -1, "DEBIT") for day in days]
        with opened(fake, "pluggy", PLUGGY) as connector:
            found = rows(connector, pluggy_server.BANK)
        assert [str(row.booking_on) for row in found] == days

    def test_rows_after_the_window_are_left_out_for_only_its_beginning_can_be_asked_for(self):
        fake = pluggy_server.FakePluggy()
        fake.rows[pluggy_server.BANK] = [pluggy_server.row(f"d{n}", f"2026-11-0{n}", -1, "DEBIT") for n in (1, 5, 9)]
        with opened(fake, "pluggy", PLUGGY) as connector:
            found = rows(connector, pluggy_server.BANK, date(2026, 11, 2), date(2026, 11, 8))
        assert [row.external_id for row in found] == ["d5"]

    @pytest.mark.parametrize(
        ("status", "reason"), [("LOGIN_ERROR", "credentials"), ("WAITING_USER_INPUT", "action_required")]
    )
    def test_an_item_that_needs_its_person_says_so_in_a_good_answer(self, status, reason):
        fake = pluggy_server.FakePluggy()
        fake.status = status
        with opened(fake, "pluggy", PLUGGY) as connector:
            found = connector.get_auth_status()
        assert (found.state, found.reason) == (AuthState.NEEDS_USER, reason)


class TestLunchFlow:
    def test_ids_are_not_trusted_for_they_are_new_with_every_answer(self):
        fake = lunchflow_server.FakeLunchFlow()
        fake.rows = [lunchflow_server.row("2026-11-10", -12.5)]
        with opened(fake, "lunchflow", LUNCHFLOW) as connector:
            assert connector.capabilities.id_class is IdClass.DELIVERY
            first, second = (rows(connector, "17")[0].external_id for _ in range(2))
        assert first != second

    def test_only_the_days_of_the_window_are_delivered_and_nothing_older_is_claimed(self):
        fake = lunchflow_server.FakeLunchFlow()
        fake.rows = [lunchflow_server.row("2026-11-15", -1), lunchflow_server.row("2026-11-05", -2)]
        with opened(fake, "lunchflow", LUNCHFLOW) as connector:
            pages = read(connector, "17", date(2026, 11, 1), date(2026, 11, 12))
        assert [str(row.amount) for page in pages for row in page.transactions] == ["-2"]
        assert pages[0].covers is not None
        assert pages[0].covers.from_on == date(2026, 11, 6)

    def test_a_balance_that_cannot_be_had_is_a_warning(self):
        fake = lunchflow_server.FakeLunchFlow()
        fake.rows, fake.balance = [lunchflow_server.row("2026-11-10", -12.5)], None
        with opened(fake, "lunchflow", LUNCHFLOW) as connector:
            pages = read(connector, "17")
        assert sum(len(page.transactions) for page in pages) == 1
        assert [warning for page in pages for warning in page.warnings] == [
            "an account without its balance: balances: answered 500"
        ]


class TestTeller:
    def test_a_purchase_on_a_card_is_money_out_and_what_is_owed_is_negative(self):
        fake = teller_server.FakeTeller()
        fake.rows[teller_server.CARD] = [teller_server.row("t", teller_server.CARD, "2026-11-10", "12.50")]
        fake.rows[teller_server.CHECKING] = [teller_server.row("u", teller_server.CHECKING, "2026-11-10", "-3.00")]
        with opened(fake, "teller", TELLER) as connector:
            assert [account.external_id for account in connector.list_accounts()] == ["acc_checking", "acc_card"]
            pages = {one: read(connector, one) for one in (teller_server.CHECKING, teller_server.CARD)}
        amounts = {one: str(found[0].transactions[0].amount) for one, found in pages.items()}
        balances = {one: str(found[-1].accounts[0].balance.amount) for one, found in pages.items()}
        assert amounts == {teller_server.CHECKING: "-3.00", teller_server.CARD: "-12.50"}
        assert balances == {teller_server.CHECKING: "75.02", teller_server.CARD: "-75.02"}

    def test_pages_go_on_from_the_last_id(self):
        fake = teller_server.FakeTeller()
        account = teller_server.CHECKING
        fake.rows[account] = [teller_server.row(f"t{n}", account, f"2026-11-{20 - n}", "-1") for n in range(5)]
        with opened(fake, "teller", TELLER) as connector:
            assert [row.external_id for row in rows(connector, account)] == ["t0", "t1", "t2", "t3", "t4"]

    def test_a_login_that_the_bank_ended_asks_for_the_user(self):
        fake = teller_server.FakeTeller()
        fake.disconnected = "enrollment.disconnected.user_action.mfa_required"
        with opened(fake, "teller", TELLER) as connector:
            assert connector.get_auth_status().reason == "expired"

    def test_the_certificate_is_the_operators_and_goes_to_the_client(self):
        connector = REGISTRY.get("teller")
        config = connector.Config.model_validate(TELLER | {"certificate": "CERT", "certificate_key": "KEY"})
        shown = connector.client_certificate(config)
        assert shown is not None
        assert (shown.certificate, shown.private_key, repr(shown)) == ("CERT", "KEY", "ClientCertificate()")
        assert connector.client_certificate(connector.Config.model_validate(TELLER)) is None


class TestMercury:
    def test_a_pending_row_is_sent_under_its_id_and_what_failed_is_left_out(self):
        fake = mercury_server.FakeMercury()
        at = "2026-11-10T15:00:00.000Z"
        fake.rows = [mercury_server.row("p", at, -5, "pending"), mercury_server.row("f", at, -9, "failed")]
        with opened(fake, "mercury", MERCURY) as connector:
            assert [told(connector, row) for row in rows(connector, mercury_server.ACCOUNT)] == [
                ("p", "2026-11-10", "-5", True)
            ]
            fake.rows = [mercury_server.row("p", "2026-11-11T15:00:00.000Z", -5)]
            assert [told(connector, row) for row in rows(connector, mercury_server.ACCOUNT)] == [
                ("p", "2026-11-11", "-5", False)
            ]

    def test_a_state_that_is_not_understood_is_a_rejection_with_its_record(self):
        fake = mercury_server.FakeMercury()
        fake.rows = [mercury_server.row("r", "2026-11-10T15:00:00.000Z", -5, "reversed")]
        with opened(fake, "mercury", MERCURY) as connector:
            (page,) = read(connector, mercury_server.ACCOUNT)
        (rejected,) = page.rejected
        assert (rejected.external_id, rejected.account_id) == ("r", mercury_server.ACCOUNT)
        assert "a value that this manifest does not name" in rejected.message
        assert '"status": "reversed"' in rejected.raw

    def test_a_purchase_that_arrives_while_pages_are_read_doubles_no_row_and_loses_none(self):
        fake = mercury_server.FakeMercury()
        fake.rows = [mercury_server.row(f"m{n}", f"2026-11-{15 - n}T15:00:00.000Z", -1) for n in range(5)]
        arriving = iter([mercury_server.row("new", "2026-11-16T15:00:00.000Z", -7)])
        fake.between = lambda: fake.rows.__setitem__(slice(0, 0), list(arriving))
        with opened(fake, "mercury", MERCURY) as connector:
            found = [row.external_id for row in rows(connector, mercury_server.ACCOUNT)]
        assert found == ["m0", "m1", "m2", "m3", "m4"]


class TestTrading212:
    def test_cash_comes_and_goes_and_a_transfer_without_a_direction_is_asked_about(self):
        fake = trading212_server.FakeTrading212()
        fake.items = [
            trading212_server.item("d", "DEPOSIT", 100.5, "2026-11-10T10:00:00.000Z"),
            trading212_server.item("w", "WITHDRAW", -25.25, "2026-11-09T10:00:00.000Z"),
            trading212_server.item("t", "TRANSFER", 5, "2026-11-08T10:00:00.000Z"),
        ]
        with opened(fake, "trading212", TRADING212) as connector:
            pages = read(connector, "7")
        found = {row.external_id: str(row.amount) for page in pages for row in page.transactions}
        assert found == {"d": "100.5", "w": "-25.25"}
        assert [row.external_id for page in pages for row in page.rejected] == ["t"]

    @pytest.mark.parametrize("environment", ["live", "demo"])
    def test_the_practice_account_is_another_address(self, environment):
        connector = REGISTRY.get("trading212")
        config = connector.Config.model_validate(TRADING212 | {"environment": environment})
        manifest = parse_manifest(shipped()["trading212"], "trading212.toml")
        assert base_url_of(manifest, config) == f"https://{environment}.trading212.com/api/v0"


class TestTrueLayer:
    def test_accounts_and_cards_are_read_each_by_their_own_lists(self):
        fake, saved = truelayer_server.FakeTrueLayer(), []
        account, card = f"/accounts/{truelayer_server.ACCOUNT}", f"/cards/{truelayer_server.CARD}"
        fake.rows[f"{account}/transactions"] = [truelayer_server.row("t1", "2026-11-05T00:00:00Z", -7.4, "DEBIT")]
        fake.rows[f"{account}/transactions/pending"] = [truelayer_server.row("t2", "2026-11-20T09:00:00Z", -1, "DEBIT")]
        fake.rows[f"{card}/transactions"] = [truelayer_server.row("c1", "2026-11-06T00:00:00Z", 13.5, "DEBIT")]
        with opened(fake, "truelayer", TRUELAYER, saved=saved) as connector:
            listed = {one.external_id: one.account_type for one in connector.list_accounts()}
            found = {one: [told(connector, row) for row in rows(connector, one)] for one in listed}
            balances = [one.balance for page in read(connector, truelayer_server.CARD) for one in page.accounts]
        assert list(listed.values()) == [AccountType.CHECKING, AccountType.CREDIT]
        assert found == {
            truelayer_server.ACCOUNT: [("t1", "2026-11-05", "-7.4", False), (None, "2026-11-20", "-1", True)],
            truelayer_server.CARD: [("c1", "2026-11-06", "-13.5", False)],
        }
        assert [str(one.amount) for one in balances] == ["-20"]
        assert [one.refresh_token.get_secret_value() for one in saved] == ["refresh-canary-1"]

    def test_a_bank_without_cards_is_a_bank_with_accounts(self):
        fake = truelayer_server.FakeTrueLayer()
        fake.has_cards = False
        with opened(fake, "truelayer", TRUELAYER) as connector:
            assert [one.external_id for one in connector.list_accounts()] == [truelayer_server.ACCOUNT]

    def test_a_consent_that_ended_asks_for_the_user(self):
        with opened(truelayer_server.FakeTrueLayer(), "truelayer", TRUELAYER | {"refresh_token": "old"}) as connector:
            status = connector.get_auth_status()
        assert (status.state, status.reason) == (AuthState.NEEDS_USER, "expired")
