from __future__ import annotations

import pytest

from shared.web.masking import mask_email, mask_name, mask_phone


@pytest.mark.parametrize(
    ("phone", "shown"), [("+989990001234", "+98999•••34"), ("+98999", "•••"), ("", "•••"), (None, None)]
)
def test_a_number_keeps_its_prefix_and_two_digits(phone: str | None, shown: str | None) -> None:
    assert mask_phone(phone) == shown


@pytest.mark.parametrize(
    ("name", "shown"), [("سارا نمونه", "س••• ن•••"), ("Li", "L•••"), ("  ", "•••"), ("", "•••"), (None, None)]
)
def test_a_name_keeps_its_initials(name: str | None, shown: str | None) -> None:
    assert mask_name(name) == shown


@pytest.mark.parametrize(
    ("email", "shown"), [("sara@example.com", "s•••@example.com"), ("@example.com", "•••@example.com"), ("sara", "•••")]
)
def test_an_address_keeps_its_first_letter_and_domain(email: str, shown: str) -> None:
    assert mask_email(email) == shown
    assert mask_email(None) is None
