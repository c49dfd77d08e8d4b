"""A column called account: the statement's own account, or the other side's, as its cells show."""

import pytest

from worker.connectors.file.statement.errors import StatementError

OWN, OTHER, THIRD = "PL61109010140000071219812874", "PL27114020040000300201355387", "DE89370400440532013000"


def table(*accounts: str, column: str = "Rachunek") -> str:
    rows = [f"2026-01-{15 + at};Opis {at};{account};-{at + 1},00\n" for at, account in enumerate(accounts)]
    return f"Data;Opis;{column};Kwota\n" + "".join(rows)


@pytest.mark.parametrize(
    ("accounts", "own", "others"),
    [
        pytest.param([OWN, OWN, OWN], 1, set(), id="one account"),
        pytest.param([OWN, OWN, OTHER, OTHER], 2, set(), id="two accounts"),
        pytest.param([OWN, OTHER], 2, set(), id="two rows show nothing"),
        pytest.param([OWN, OTHER, ""], 1, {OWN, OTHER, None}, id="others' accounts, and a row without"),
    ],
)
@pytest.mark.parametrize("column", ["Rachunek", "Kontonummer", "Account"])
def test_the_cells_show_whose_account_a_column_holds(reading, accounts, own, others, column):
    found = reading(table(*accounts, column=column))
    assert len(found.accounts) == own
    assert len(found.rows) == len(accounts)
    assert {row.counterparty_account for row in found.rows} == (others or {None})


@pytest.mark.parametrize(("gap", "refused"), [(0, True), (1, False)], ids=["in each row", "one row has none"])
def test_hundreds_of_accounts_are_those_of_others_in_a_long_file_too(reading, gap, refused):
    numbers = [f"109010140000071{at % 300:011}" for at in range(700)]
    rows = [f"2026-01-15;Opis {at};{number if at >= gap else ''};-{at + 1},00\n" for at, number in enumerate(numbers)]
    text = "Data;Opis;Rachunek;Kwota\n" + "".join(rows)
    if refused:
        with pytest.raises(StatementError, match="--column 'rachunek=account'"):
            reading(text)
    else:
        found = reading(text)
        assert (len(found.accounts), len(found.rows)) == (1, 700)
        assert found.rows[1].counterparty_account == numbers[1]


@pytest.mark.parametrize(
    "accounts",
    [[OWN, OTHER, THIRD], [OWN, OWN, ""], ["Joint", "Savings", ""]],
    ids=["all differ", "one, or none", "names"],
)
def test_what_the_cells_do_not_show_is_asked_and_the_answer_settles_it(reading, accounts):
    with pytest.raises(StatementError, match="--column 'rachunek=account'") as refused:
        reading(table(*accounts))
    assert refused.value.doubts[0].choices == ("counterparty_account", "account", "ignore")
    different = len({one for one in accounts if one}) + ("" in accounts)
    assert len(reading(table(*accounts), columns={"Rachunek": "account"}).accounts) == different
    assert len(reading(table(*accounts), columns={"Rachunek": "counterparty_account"}).accounts) == 1
    assert len(reading(table(*accounts), ignored=["Rachunek"]).accounts) == 1
