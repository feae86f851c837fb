"""Email addresses, as people type them and as they are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.persian.digits import to_persian
from shared.persian.email_address import NotAnEmail, email_address


@pytest.mark.parametrize(
    ("typed", "compared"),
    [
        ("Sara@Example.COM", "sara@example.com"),
        ("  sara@example.com\u200f", "sara@example.com"),
        ("sara۱۲@example.com", "sara12@example.com"),
        ("s.n+shop@mail.example.ir", "s.n+shop@mail.example.ir"),
        ("sara@نمونه.ایران", "sara@نمونه.ایران"),
    ],
)
def test_an_address_that_is_typed_in_another_way_is_the_same(typed: str, compared: str) -> None:
    assert email_address(typed) == compared


@pytest.mark.parametrize(
    "typed",
    ["sara", "sara@example", "@example.com", "sa ra@example.com", "s..n@example.com", ".s@example.com", "a@b@c.ir"],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(NotAnEmail):
        email_address(typed)


@given(st.from_regex(r"[A-Za-z0-9_+-]{1,20}@[A-Za-z0-9-]{1,20}\.(com|IR)", fullmatch=True))
def test_an_address_reads_the_same_however_it_is_written_and_when_it_is_read_again(typed: str) -> None:
    compared = email_address(typed)

    assert {email_address(way) for way in (typed.upper(), to_persian(typed), f" {typed}\n", compared)} == {compared}
