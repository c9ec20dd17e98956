"""Tables on terminals of any width: nothing is cut that one might copy."""

from __future__ import annotations

from aiojobs_redis.cli.table import cut, lay_out

COLUMNS = ["id", "state", "run at", "last error"]
ID = "01M8BZQQT76S2G4H729DBT1WVD"
ERROR = "ValueError: " + "x" * 60
ROWS = [[ID, "dead", "13:11:52", ERROR], ["b", "queued", "-", "-"]]


def test_all_columns_stand_beside_each_other_where_there_is_room() -> None:
    head, lines = lay_out(COLUMNS, ROWS, 200)

    assert head == "id                          state   run at    last error"
    assert lines == [f"{ID}  dead    13:11:52  {ERROR}", "b" + " " * 27 + "queued  -         -"]


def test_the_last_column_gives_way_first() -> None:
    _, lines = lay_out(COLUMNS, ROWS, 80)

    assert lines[0] == f"{ID}  dead    13:11:52  ValueError: {'x' * 21}…"
    assert len(lines[0]) == 80


def test_what_has_no_place_stands_below_its_row_with_its_name() -> None:
    head, lines = lay_out(COLUMNS, ROWS, 40)

    assert head == "id                          state"
    assert lines == [
        f"{ID}  dead",
        "  run at 13:11:52",
        f"  last error ValueError: {'x' * 14}…",
        "b" + " " * 27 + "queued",
    ]


def test_an_id_wider_than_the_terminal_is_whole() -> None:
    _, lines = lay_out(["id", "state"], [[ID, "dead"]], 10)

    assert lines == [ID, "  state d…"]


def test_letters_of_two_columns_and_of_none_are_counted_as_such() -> None:
    _, lines = lay_out(["id", "state"], [["漢字", "a"], ["e\u0301", "b"]], 80)

    assert lines == ["漢字  a", "e\u0301     b"]
    assert cut("漢字漢字", 5) == "漢字…"
