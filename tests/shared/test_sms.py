"""Parts of an SMS, against `smsutil` as a second opinion, and by laws."""

from __future__ import annotations

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from shared.sms import Parts, encoding_of, parts, split, units

gsm = st.text(alphabet="abc @£$é\n0Δ€[]{}~^|\\\f", max_size=700)
any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), max_size=300)
mixed = st.text(alphabet="سلام ‌۱۲😀👍🏽a€", max_size=400)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", Parts("gsm7", 0, 0)),
        ("a" * 160, Parts("gsm7", 160, 1)),
        ("a" * 161, Parts("gsm7", 161, 2)),
        ("a" * 306, Parts("gsm7", 306, 2)),
        ("a" * 307, Parts("gsm7", 307, 3)),
        ("€" * 80, Parts("gsm7", 160, 1)),
        ("€" * 81, Parts("gsm7", 162, 2)),
        ("س" * 70, Parts("ucs2", 70, 1)),
        ("س" * 71, Parts("ucs2", 71, 2)),
        ("س" * 134, Parts("ucs2", 134, 2)),
        ("س" * 135, Parts("ucs2", 135, 3)),
        ("😀" * 35, Parts("ucs2", 70, 1)),
        ("😀" * 36, Parts("ucs2", 72, 2)),
        ("a" * 159 + "ی", Parts("ucs2", 160, 3)),
        ("می‌روم", Parts("ucs2", 6, 1)),
    ],
)
def test_sizes_at_the_borders(text: str, size: Parts) -> None:
    assert parts(text) == size
    assert len(split(text)) == size.count


def test_an_escaped_character_is_not_divided_and_costs_a_part() -> None:
    text = "a" * 152 + "€" + "b" * 151 + "€" + "c"

    assert units(text, "gsm7") == 308
    assert split(text) == ["a" * 152, "€" + "b" * 151, "€c"]
    assert parts("€" * 153) == Parts("gsm7", 306, 3)


def test_a_surrogate_pair_is_not_divided_and_costs_a_part() -> None:
    assert split("س" * 66 + "😀" + "ب" * 5) == ["س" * 66, "😀" + "ب" * 5]
    assert parts("😀" * 67) == Parts("ucs2", 134, 3)


def test_panels_that_bill_from_66_are_served_by_their_own_limits() -> None:
    assert parts("س" * 70, single_ucs2=66, multi_ucs2=63) == Parts("ucs2", 70, 2)
    with pytest.raises(ValueError, match="cannot hold"):
        parts("سلام", multi_ucs2=1)


@given(gsm | any_text | mixed)
def test_the_parts_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


@given(gsm | any_text | mixed)
def test_no_part_is_empty_or_longer_than_its_limit(text: str) -> None:
    divided = split(text)
    encoding = encoding_of(text)
    single, multi = (160, 153) if encoding == "gsm7" else (70, 67)

    limit = single if len(divided) == 1 else multi
    assert all(0 < units(part, encoding) <= limit for part in divided)
    assert parts(text).count == len(divided)


@given((gsm | any_text | mixed).filter(bool))
def test_smsutil_agrees(text: str) -> None:
    second = smsutil.split(text)

    assert encoding_of(text) == ("gsm7" if second.encoding == "gsm0338" else "ucs2")
    assert split(text) == [part.content for part in second.parts]
