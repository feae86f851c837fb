"""Phone numbers in every written form, against `phonenumbers` as a second opinion."""

from __future__ import annotations

import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.persian.digits import ARABIC, LATIN, PERSIAN
from shared.persian.phone import (
    InvalidPhone,
    Landline,
    LineNumber,
    Mobile,
    NotALine,
    NotAPhone,
    Phone,
    any_phone,
    line,
    local,
    mobile,
)

FORMS = ("0{}", "+98{}", "0098{}", "98{}", "{}")
SCRIPTS = (LATIN, PERSIAN, ARABIC)
subscribers = st.builds("9{}{:08}".format, st.sampled_from("01239"), st.integers(0, 99_999_999))


def written(national: str, form: str, script: str) -> str:
    return form.format(national).translate(str.maketrans(LATIN, script))


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("form", FORMS)
def test_five_forms_in_three_scripts_are_one_number(form: str, script: str) -> None:
    assert mobile(written("9990001234", form, script)) == "+989990001234"


@pytest.mark.parametrize(
    "text",
    [
        "0999 000 1234",
        "+98 (999) 000-1234",
        "0999\u200c000\u200c1234",
        "\u202a+98 999 000 1234\u202c",
        "\ufeff0999.000.1234",
        "+98 0999 000 1234",
        "۰۹۹۹-000-۱٢٣4",
        "＋989990001234",
    ],
)
def test_separators_and_invisible_marks_do_not_count(text: str) -> None:
    assert mobile(text) == "+989990001234"


@given(subscribers, st.sampled_from(FORMS), st.sampled_from(SCRIPTS))
def test_normalising_twice_changes_nothing(national: str, form: str, script: str) -> None:
    once = mobile(written(national, form, script))

    assert mobile(once) == any_phone(once) == once
    assert mobile(local(once)) == once


@given(subscribers, st.sampled_from(FORMS))
def test_what_phonenumbers_knows_comes_out_as_it_says(national: str, form: str) -> None:
    text = form.format(national)
    second = phonenumbers.parse(text, "IR")

    if phonenumbers.is_valid_number(second):
        assert mobile(text) == phonenumbers.format_number(second, phonenumbers.PhoneNumberFormat.E164)


@given(st.text(alphabet="0123456789+ ۰۱۲۳۴۵۶۷۸۹-", min_size=1, max_size=18))
def test_what_is_taken_at_all_is_a_number_that_phonenumbers_can_call(text: str) -> None:
    try:
        taken = any_phone(text)
    except InvalidPhone:
        return
    assert phonenumbers.is_possible_number(phonenumbers.parse(taken))


@pytest.mark.parametrize("text", ["02188776655", "021-8877 6655", "+982188776655", "۰۵۱۳۸۷۶۵۴۳۲", "00982188776655"])
def test_a_landline_gets_no_sms_but_can_be_called(text: str) -> None:
    with pytest.raises(Landline) as refused:
        mobile(text)

    assert refused.value.code == "landline"
    assert "takes no SMS" in refused.value.detail
    assert any_phone(text).startswith("+98")


@pytest.mark.parametrize(
    "text",
    ["30007732000000", "3000505", "+983000505", "۱۰۰۰۴۲۲۳", "20002222", "5000123456", "50004000", "98 9000 1234"],
)
def test_a_panels_line_is_nobodys_number(text: str) -> None:
    for read in (mobile, any_phone):
        with pytest.raises(LineNumber) as refused:
            read(text)
        assert refused.value.code == "line_number"


def test_a_mobile_of_the_900_range_is_no_line() -> None:
    assert mobile("9000123456") == "+989000123456"


@pytest.mark.parametrize(
    "text",
    ["", " ", "سلام", "0912ABCDEFG", "0999000123", "099900012345", "123", "+", "0999 000 1234 داخلی 2", "0" * 300],
)
def test_what_is_no_number_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(NotAPhone) as refused:
        mobile(text)

    assert refused.value.code == "not_a_phone"
    assert "09990001234" in refused.value.detail
    assert "۰۹۹۹۰۰۰۱۲۳۴" in str(refused.value.detail_fa)


def test_numbers_of_other_countries_are_taken_with_their_code() -> None:
    assert mobile("+44 7400 123456") == mobile("0044 7400 123456") == "+447400123456"
    assert local("+447400123456") == "+447400123456"
    with pytest.raises(Landline):
        mobile("+44 20 7946 0000")


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("30007732000000", "30007732000000"),
        ("+98 3000 7732", "30007732"),
        ("۹۸۳۰۰۰۷۷۳۲", "30007732"),
        ("021 9100 1234", "2191001234"),
        ("+982191001234", "2191001234"),
        ("738", "738"),
        ("98700", "98700"),
        ("+14155550100", "14155550100"),
    ],
)
def test_a_line_is_its_digits(text: str, digits: str) -> None:
    assert line(text) == digits
    assert line(digits) == digits


@pytest.mark.parametrize("text", ["09990001234", "+98 999 000 1234", "", "12", "خط", "1" * 16])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(NotALine):
        line(text)


def test_a_field_is_refused_with_the_code_and_in_both_languages() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Mobile).validate_python("02188776655")

    (fault,) = refused.value.errors()
    assert fault["type"] == "landline"
    assert "takes no SMS" in fault["msg"]
    assert "تلفن ثابت" in fault["ctx"]["fa"]
    assert TypeAdapter(Phone).validate_python("02188776655") == "+982188776655"


def test_an_iranian_mobile_is_read_without_the_tables_of_the_world() -> None:
    code = (
        "import sys; from shared.persian.phone import mobile; mobile('۰۹۹۹ ۰۰۰ ۱۲۳۴');"
        "sys.exit('phonenumbers' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
