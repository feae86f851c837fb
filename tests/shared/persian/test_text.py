"""Folding, cleaning and digits, by example and by law."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.persian.digits import numeral, to_latin, to_persian
from shared.persian.fields import read_by
from shared.persian.text import EmptyText, NotText, clean, fold, line, lines

letters = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
persian = st.text(alphabet="يىیكکآأاإئؤۀةهپچژگ ‌ـَُِّْ۰۱۲٠١٢012aZÉ\t\n")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("علي", "علی"),
        ("موسى", "موسی"),
        ("ژېنا", "ژینا"),
        ("كتاب", "کتاب"),
        ("کتاب‌ها", "کتاب   ها"),
        ("کتـــاب", "کتاب"),
        ("مُحَمَّد", "محمد"),
        ("آرش", "ارش"),
        ("خانۀ", "خانه"),
        ("فاطمة", "فاطمه"),
        ("۱۲٣4", "1234"),
        ("  Sara\tNEMUNE ", "sara nemune"),
        ("STRASSE", "straße"),
        ("José", "jose"),
        ("ﺳﻼم", "سلام"),
        ("\u200eسارا\u200f", "سارا"),
    ],
)
def test_spellings_of_one_thing_fold_to_one_form(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("سارا", "سمیرا"), ("کتاب‌ها", "کتابها"), ("۱۲", "۲۱")])
def test_different_things_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(letters | persian)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(letters | persian, st.booleans())
def test_cleaning_twice_changes_nothing(text: str, lines: bool) -> None:
    assert clean(clean(text, lines=lines), lines=lines) == clean(text, lines=lines)


@given(letters | persian)
def test_cleaning_does_not_change_what_a_text_folds_to(text: str) -> None:
    assert fold(clean(text)) == fold(text)


def test_what_was_typed_is_kept_for_showing() -> None:
    assert clean("  كتابِ علي‌رضا ۱۲ ") == "كتابِ علي‌رضا ۱۲"


@pytest.mark.parametrize("hidden", ["\x07", "\x1b", "\u202e", "\u202a", "\u2066", "\u2069", "\ufeff", "\x9f"])
def test_control_and_override_characters_are_removed(hidden: str) -> None:
    assert clean(f"سا{hidden}را") == "سارا"


def test_line_breaks_are_kept_only_where_lines_are_meant() -> None:
    assert clean("یک\r\nدو\u2028سه") == "یک دو سه"
    assert clean("یک\r\nدو\u2028سه", lines=True) == "یک\nدو\nسه"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff"])
def test_what_a_database_cannot_keep_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(NotText) as refused:
        clean(text)

    assert refused.value.code == "not_text"
    assert f"position {2 if len(text) > 1 else 1}" in refused.value.detail


def test_a_text_of_which_nothing_is_left_is_refused() -> None:
    assert line(" سارا\nنمونه ") == "سارا نمونه"
    assert lines("یک\nدو\n") == "یک\nدو"
    for reader in (line, lines):
        with pytest.raises(EmptyText):
            reader(" \n\u200c")


def test_a_field_that_is_read_by_a_reader_is_refused_with_its_code_and_in_both_languages() -> None:
    field = TypeAdapter(Annotated[str, read_by(line)])

    assert field.validate_python(" سارا\n") == "سارا"
    with pytest.raises(ValidationError) as refused:
        field.validate_python(" ")
    [fault] = refused.value.errors()
    assert (fault["type"], fault["msg"], fault["ctx"]["fa"]) == ("empty", EmptyText().detail, EmptyText().detail_fa)


@given(st.text(alphabet="0123456789سلام "))
def test_digits_go_to_persian_and_back(text: str) -> None:
    assert to_latin(to_persian(text)) == text


def test_digits_of_all_three_scripts_are_read() -> None:
    assert to_latin("۱۲۳ ٤٥٦ 789") == "123 456 789"
    assert to_persian("١٢٣ 456") == "۱۲۳ ۴۵۶"


@pytest.mark.parametrize(
    ("number", "written"), [(0, "۰"), (1405, "۱۴۰۵"), (10.0, "۱۰"), (0.5, "۰٫۵"), (2**53, "۹۰۰۷۱۹۹۲۵۴۷۴۰۹۹۲")]
)
def test_a_number_in_a_persian_sentence_has_persian_digits(number: float, written: str) -> None:
    assert numeral(number) == written
