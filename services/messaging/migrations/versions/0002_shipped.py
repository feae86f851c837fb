"""Templates and automations that are shipped ready."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "messaging_0002"
down_revision = "messaging_0001"
branch_labels = None
depends_on = None

SHIPPED_AT = datetime(2026, 11, 22, tzinfo=UTC)

FA = '{% if first_name == "" %}دوست عزیز{% else %}{{ first_name }} عزیز{% endif %}'
EN = 'Dear {% if first_name == "" %}friend{% else %}{{ first_name }}{% endif %}'
UNNAMED = 'about_last_name == "" and about_first_name == ""'
WHO_FA = f"{{% if {UNNAMED} %}}یک سرنخ{{% else %}}{{{{ about_first_name }}}} {{{{ about_last_name }}}}{{% endif %}}"
WHO_EN = f"{{% if {UNNAMED} %}}A lead{{% else %}}{{{{ about_first_name }}}} {{{{ about_last_name }}}}{{% endif %}}"
COUPON_FA = (
    '{% if coupon_code != "" %} این کد تخفیف {{ discount_percent | persian_digits }}٪ هدیهٔ ما برای خرید بعدی شماست:\n'
    "{{ coupon_code }}\nتا {{ coupon_valid_until }} اعتبار دارد.{% endif %}"
)
COUPON_EN = (
    '{% if coupon_code != "" %} Here is {{ discount_percent }}% off your next purchase:\n'
    "{{ coupon_code }}\nValid until {{ coupon_valid_until }}.{% endif %}"
)
CSAT_FA = f"{FA}، از خرید خود چقدر راضی هستید؟ لطفاً عددی از ۱ (خیلی ناراضی) تا ۵ (خیلی راضی) را در پاسخ بفرستید."
CSAT_EN = f"{EN}, how satisfied are you with your purchase? Please reply with a number from 1 (not at all) to 5 (very)."

TEMPLATES: tuple[tuple[str, str, str, str, str, str], ...] = (
    (
        "acknowledge_lead", "service", "We have your request", "درخواست شما رسید",
        f"{FA}، درخواست شما به دست ما رسید. همکارمان به‌زودی با شما تماس می‌گیرد.",
        f"{EN}, we have received your request. A colleague will call you shortly.",
    ),
    (
        "overdue_agent", "transactional", "To an agent: an answer is overdue", "به کارشناس: پاسخ دیر شده است",
        f"{WHO_FA} هنوز پاسخی نگرفته و مهلت پاسخ گذشته است. لطفاً همین حالا تماس بگیرید: {{{{ about_phone }}}}",
        f"{WHO_EN} has not been answered in time. Please call now: {{{{ about_phone }}}}",
    ),
    (
        "overdue_manager", "transactional", "To a manager: an answer is overdue", "به مدیر: پاسخ دیر شده است",
        f"{WHO_FA} در مهلت مقرر پاسخی نگرفته است و به پیگیری شما نیاز دارد: {{{{ about_phone }}}}",
        f"{WHO_EN} was not answered in time and needs your attention: {{{{ about_phone }}}}",
    ),
    (
        "welcome", "service", "Welcome", "خوش‌آمد",
        f"{FA}، به جمع مشتریان ما خوش آمدید. از این‌که ما را برگزیدید سپاسگزاریم و همیشه در کنارتان هستیم.",
        f"{EN}, welcome. Thank you for choosing us; we are always here for you.",
    ),
    (
        "thank_you", "service", "Thank you, with a coupon", "سپاس از خرید، با کد تخفیف",
        f"{FA}، از خرید شما سپاسگزاریم.{COUPON_FA}",
        f"{EN}, thank you for your purchase.{COUPON_EN}",
    ),
    ("survey_csat", "service", "How was your purchase?", "پرسش رضایت از خرید", CSAT_FA, CSAT_EN),
    (
        "apology", "service", "We are sorry", "پوزش",
        f"{FA}، از این‌که تجربهٔ خوبی نداشتید صمیمانه پوزش می‌خواهیم. مدیر ما موضوع را پیگیری می‌کند و با شما تماس می‌گیرد.",
        f"{EN}, we are truly sorry that we let you down. Our manager is looking into it and will call you.",
    ),
)  # fmt: skip
"""Code, purpose, title, Persian title, Persian text, English text."""

CAME_BY_ITSELF: dict[str, Any] = {
    "all": [
        {"field": "direction", "op": "eq", "value": "inbound"},
        {"field": "born_answered", "op": "eq", "value": False},
        {"field": "source", "op": "not_in", "value": ["import"]},
    ]
}
ANSWERED_BADLY: dict[str, Any] = {"field": "category", "op": "in", "value": ["unsatisfied", "detractor"]}

AUTOMATIONS: tuple[tuple[str, str, str, str, dict[str, Any] | None, list[dict[str, Any]]], ...] = (
    (
        "acknowledge_lead", "Acknowledge a new lead", "پاسخ خودکار به سرنخ تازه", "lead.captured", CAME_BY_ITSELF,
        [{"type": "send", "template": "acknowledge_lead"}],
    ),
    (
        "alert_overdue", "Alert agent and manager of an overdue answer", "هشدار پاسخ دیرشده به کارشناس و مدیر",
        "lead.response_overdue", None,
        [
            {"type": "send", "template": "overdue_agent", "to": "agent"},
            {"type": "send", "template": "overdue_manager", "to": "manager"},
        ],
    ),
    (
        "welcome", "Welcome at conversion", "خوش‌آمد هنگام پیوستن", "lead.converted", None,
        [{"type": "send", "template": "welcome"}],
    ),
    (
        "thank_you_coupon", "Thank with a coupon after a purchase", "سپاس و کد تخفیف پس از خرید",
        "purchase.recorded", None,
        [
            {"type": "coupon", "discount_percent": 10, "valid_days": 30},
            {"type": "send", "template": "thank_you"},
        ],
    ),
    (
        "csat_after_purchase", "Ask how a purchase went, three days later", "پرسش رضایت، سه روز پس از خرید",
        "purchase.recorded", None,
        [{"type": "wait", "days": 3}, {"type": "survey", "survey": "csat_purchase"}],
    ),
    (
        "apology", "Apologise for a bad experience", "پوزش پس از پاسخ ناراضی", "survey.answered", ANSWERED_BADLY,
        [{"type": "pause_promotion", "days": 14}, {"type": "send", "template": "apology"}],
    ),
)  # fmt: skip
"""Code, title, Persian title, trigger, condition, steps."""


def upgrade() -> None:
    op.bulk_insert(_templates(), [_template(*given) for given in TEMPLATES])
    op.bulk_insert(_automations(), [_automation(*given) for given in AUTOMATIONS])


def downgrade() -> None:
    op.execute(sa.delete(_templates()).where(sa.column("code").in_([code for code, *_ in TEMPLATES])))
    op.execute(sa.delete(_automations()).where(sa.column("code").in_([code for code, *_ in AUTOMATIONS])))


def _template(code: str, purpose: str, title: str, title_fa: str, fa: str, en: str) -> dict[str, Any]:
    return {
        "code": code,
        "channel": "sms",
        "purpose": purpose,
        "title": title,
        "title_fa": title_fa,
        "variables": [],
        "bodies": {"fa": {"text": fa}, "en": {"text": en}},
        "created_at": SHIPPED_AT,
        "updated_at": SHIPPED_AT,
    }


def _automation(
    code: str, title: str, title_fa: str, trigger: str, condition: dict[str, Any] | None, steps: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "code": code,
        "title": title,
        "title_fa": title_fa,
        "active": True,
        "trigger": trigger,
        "condition": condition,
        "delay_s": 0,
        "steps": steps,
        "created_at": SHIPPED_AT,
        "updated_at": SHIPPED_AT,
    }


def _templates() -> sa.TableClause:
    texts = [sa.column(name, sa.Text()) for name in ("code", "channel", "purpose", "title", "title_fa")]
    return sa.table("templates", *texts, sa.column("variables", ARRAY(sa.Text())), *_documents("bodies"))


def _automations() -> sa.TableClause:
    texts = [sa.column(name, sa.Text()) for name in ("code", "title", "title_fa", "trigger")]
    plain = (sa.column("active", sa.Boolean()), sa.column("delay_s", sa.Integer()))
    return sa.table("automations", *texts, *plain, *_documents("condition", "steps"))


def _documents(*names: str) -> list[sa.ColumnClause[Any]]:
    times = [sa.column(name, sa.DateTime(timezone=True)) for name in ("created_at", "updated_at")]
    return [*(sa.column(name, JSONB(none_as_null=True)) for name in names), *times]
