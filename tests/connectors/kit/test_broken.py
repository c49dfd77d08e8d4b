"""The kit against connectors that are broken on purpose: each is caught by the check meant for it and by no other."""

from datetime import timedelta

import httpx2
import pytest

from tests.connectors.kit import broken_clock, broken_data, broken_manners
from tests.connectors.kit.banks import TOKEN, BankServer, PagedConnector
from worker.connectors.base import BankConnector
from worker.connectors.errors import RateLimitError
from worker.connectors.mock import MockConnector
from worker.connectors.testing import connector_tests
from worker.connectors.testing.checks import ALL_CHECKS
from worker.connectors.testing.subject import Spec, Subject

CAUGHT_BY: dict[type[BankConnector], str] = {
    broken_data.SaysNothingOfItsFields: "it_declares_itself",
    broken_data.DoubtsAGoodLogin: "a_good_login_is_ok",
    broken_data.BelievesARefusedLogin: "a_refused_login_is_a_status",
    broken_data.ShowsTheWholeNumber: "accounts_have_the_right_shape",
    broken_data.PacksListsIntoPages: "pages_have_the_right_shape",
    broken_data.EatsItsRecords: "normalising_is_pure",
    broken_data.TurnsTheSign: "amounts_keep_their_sign_and_decimals",
    broken_data.RoundsToCents: "amounts_keep_their_sign_and_decimals",
    broken_data.TakesTheDayInUtc: "days_are_those_of_the_bank",
    broken_data.DropsTwins: "equal_rows_on_one_day_are_all_delivered",
    broken_data.OwesWhatItOwns: "balances_are_those_of_the_bank",
    broken_data.MintsIds: "ids_are_the_same_in_every_delivery",
    broken_data.TellsAnotherStoryEachTime: "rows_are_the_same_in_every_delivery",
    broken_data.CountsPlaces: "ids_do_not_depend_on_the_order",
    broken_data.HashesDayAndAmount: "ids_are_unique_in_an_account",
    broken_data.TakesABlankForAnId: "a_row_without_an_id_is_no_defect",
    broken_data.ForgetsTheLastDay: "both_edges_belong_to_the_window",
    broken_data.AsksForTooLongWindows: "long_windows_are_not_cut_in_silence",
    broken_data.ClaimsAWholeYear: "it_covers_only_what_it_read",
    broken_data.StopsAfterOnePage: "every_page_is_read",
    broken_data.TurnsInCircles: "a_page_that_repeats_is_not_read_for_ever",
    broken_data.MistakesAChangeForADefect: "a_change_between_pages_restarts_the_delivery",
    broken_data.GoesOnWhereItWasKilled: "a_killed_delivery_starts_again_from_the_beginning",
    broken_data.BeginsAgainInSilence: "pages_before_a_new_start_do_not_count",
    broken_data.CallsEverythingPosted: "pending_rows_are_not_passed_off_as_posted",
    broken_data.LinksToItself: "a_posted_row_takes_the_place_of_its_pending_row",
    broken_data.PromisesLinks: "a_posted_row_takes_the_place_of_its_pending_row",
    broken_data.NeverForgets: "a_row_taken_back_is_not_delivered_again",
    broken_data.OverlooksRemovals: "a_row_taken_back_is_reported_as_removed",
    broken_data.OverlooksCorrections: "a_corrected_row_is_delivered_again",
    broken_data.StartsOverEveryTime: "a_cursor_brings_only_what_is_new",
    broken_data.KeepsTheCursorToItself: "a_cursor_brings_only_what_is_new",
    broken_manners.ForgetsHowLongToWait: "rate_limits_are_said_with_their_wait",
    broken_manners.TakesUnpaidForABug: "refusals_ask_for_the_user",
    broken_manners.TakesAnOutageForBadData: "outages_are_the_providers",
    broken_manners.WaitsForEver: "slowness_is_bounded",
    broken_manners.TakesGarbageForNothingNew: "unreadable_answers_are_not_data",
    broken_manners.FollowsRedirects: "redirects_are_not_followed",
    broken_manners.IgnoresErrorsInGoodAnswers: "the_providers_own_errors_are_understood",
    broken_manners.Sleeps: "it_never_sleeps",
    broken_manners.AsksTheEnvironment: "it_reads_no_environment",
    broken_clock.ReadsTheClock: "it_reads_no_clock",
    broken_manners.OpensItsOwnConnection: "it_uses_only_the_client_it_is_given",
    broken_manners.GoesAroundTheMeter: "every_request_names_its_endpoint",
    broken_manners.TellsTheTokenInItsErrors: "secrets_stay_secret",
    broken_manners.LogsTheToken: "secrets_stay_secret",
    broken_manners.ShowsTheTokenInItsRepr: "secrets_stay_secret",
}
"""The one check that must fail for each of them, and no other."""

FOUND_WITHOUT_TRUTH = {"neighbouring_windows_have_no_hole"}
"""Only for connectors with data of their own; `HolesBetweenWindows` below is its broken connector."""


def failing(spec: Spec, directory) -> dict[str, str]:
    """Run every check; return the names of those that fail, with what they say."""
    found = {}
    for check in ALL_CHECKS:
        if check.not_for(spec) is None:
            folder = directory / check.name
            folder.mkdir()
            try:
                check.run(Subject(spec, folder))
            except Exception as error:  # noqa: BLE001 - an accident counts as caught by the wrong check
                found[check.name] = f"{type(error).__name__}: {error}"
    return found


@pytest.mark.parametrize("connector", CAUGHT_BY, ids=lambda connector: connector.__name__)
def test_a_broken_connector_is_caught_by_the_check_meant_for_it_and_by_no_other(connector, tmp_path):
    answer = {
        "a rate limit in a good answer": (lambda _: httpx2.Response(200, json={"error": "DAILY_LIMIT"}), RateLimitError)
    }
    found = failing(Spec(connector=connector, config={"token": TOKEN}, server=BankServer, faults=answer), tmp_path)
    assert list(found) == [CAUGHT_BY[connector]], found
    assert found[CAUGHT_BY[connector]].startswith("AssertionError: ")


def test_every_check_has_a_connector_that_only_it_catches():
    assert {check.name for check in ALL_CHECKS} - set(CAUGHT_BY.values()) == FOUND_WITHOUT_TRUTH


def test_holes_between_windows_are_caught_without_knowing_the_truth(tmp_path):
    class HolesBetweenWindows(MockConnector):
        def get_transactions(self, account_id, from_date, to_date):
            return super().get_transactions(account_id, from_date + timedelta(days=1), to_date)

    spec = Spec(connector=HolesBetweenWindows, config={"token": "mock-token-5d21"})
    assert list(failing(spec, tmp_path)) == ["neighbouring_windows_have_no_hole"]


def test_a_check_can_only_be_left_out_by_its_name_and_with_a_reason():
    with pytest.raises(ValueError, match="no_such_check"):
        connector_tests(PagedConnector, config={"token": TOKEN}, skip={"no_such_check": "because"})


def test_what_does_not_apply_makes_no_test_and_says_why():
    bare = connector_tests(MockConnector, config={"token": "mock-token-5d21"}, skip={"normalising_is_pure": "by hand"})
    tests = {name.removeprefix("test_") for name in vars(bare) if name.startswith("test_")}
    assert tests.isdisjoint(bare.left_out)
    assert tests | set(bare.left_out) == {check.name for check in ALL_CHECKS}
    assert bare.left_out["normalising_is_pure"] == "by hand"
    assert bare.left_out["every_page_is_read"] == "no server and no config function tell the connector what happened"
