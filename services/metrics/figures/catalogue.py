"""Every figure: what it is called, what it means, what it can be split by, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from services.metrics.figures import customers, formulas, leads, sums
from services.metrics.figures.errors import UnknownDimension, UnknownFigure
from services.metrics.folding.leads import DIMENSIONS as LEAD_DIMENSIONS
from services.metrics.folding.surveys import DIMENSIONS as SURVEY_DIMENSIONS

Unit = Literal["percent", "count", "money", "days"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and how it is read. `definition` is shown to whoever asks what there is."""

    name: str
    title: str
    title_fa: str
    unit: Unit
    definition: str
    read: sums.Read
    dimensions: tuple[str, ...] = ()

    def check_dimension(self, by: str | None) -> None:
        """Raise `UnknownDimension` unless the figure can be split by `by`."""
        if by is not None and by not in self.dimensions:
            raise UnknownDimension(self.name, by, self.dimensions)


_ALL = (
    Figure(
        "retention",
        "Retention rate",
        "نرخ حفظ مشتری",
        "percent",
        "(E - N) / S x 100: S active at the start, E active at the end, N active at the end but not at the start "
        "(new: first purchase within the period; won back: the rest). Active at t: bought within the 90 days before t.",
        customers.of_retention(formulas.retention_rate),
    ),
    Figure(
        "churn",
        "Churn rate",
        "نرخ ریزش مشتری",
        "percent",
        "100 - retention rate.",
        customers.of_retention(formulas.churn_rate),
    ),
    Figure(
        "purchase_retention",
        "Purchase retention",
        "نرخ بازگشت خریداران",
        "percent",
        "Bought in both this period and the one before / bought in the one before x 100.",
        customers.purchase_retention,
    ),
    Figure(
        "repeat_purchase_rate",
        "Repeat purchase rate",
        "نرخ خرید مجدد",
        "percent",
        "Bought more than once in the period / bought in the period x 100.",
        customers.repeat_purchase_rate,
    ),
    Figure(
        "time_between_purchases",
        "Time between purchases",
        "فاصلهٔ میان خریدها",
        "days",
        "Median days between a customer's consecutive purchases of which the later lies in the period. Counted on "
        "demand.",
        customers.time_between_purchases,
    ),
    Figure(
        "purchases",
        "Purchases",
        "تعداد خرید",
        "count",
        "Purchases that count, of any currency; cancelled ones count nowhere.",
        sums.purchases,
        ("currency", "channel"),
    ),
    Figure(
        "revenue",
        "Revenue",
        "درآمد",
        "money",
        "Amount less discount and refunds, by the time of the purchase; in one currency.",
        sums.of_money(("purchases", "net_minor", "refunded_minor"), sums.revenue),
        ("currency", "channel"),
    ),
    Figure(
        "average_order_value",
        "Average order value",
        "میانگین ارزش سفارش",
        "money",
        "(Amount - discount) / purchases that count; in one currency.",
        sums.of_money(("purchases", "net_minor"), sums.order_value),
        ("currency", "channel"),
    ),
    Figure(
        "clv_historical",
        "Customer lifetime value, historical",
        "ارزش دورهٔ عمر مشتری (تاریخی)",
        "money",
        "Mean over the customers who had bought before the period's end: all that they bought before it, less discount "
        "and refunds, x margin (at 1.0: revenue-based); in one currency.",
        sums.lifetime_value,
    ),
    Figure(
        "csat",
        "Customer satisfaction (CSAT)",
        "رضایت مشتری (CSAT)",
        "percent",
        "Satisfied / answers x 100, with the 95 % interval (Wilson). Scales are not pooled: choose one "
        "by scale=, or by=scale.",
        sums.of_answers("csat", sums.CSAT_CATEGORIES, sums.satisfaction),
        ("scale", *SURVEY_DIMENSIONS),
    ),
    Figure(
        "nps",
        "Net promoter score (NPS)",
        "شاخص خالص مروجان (NPS)",
        "percent",
        "(Promoters - detractors) / answers x 100, from -100 to 100, with the 95 % interval (adjusted Wald).",
        sums.of_answers("nps", sums.NPS_CATEGORIES, sums.recommendation),
        SURVEY_DIMENSIONS,
    ),
    Figure(
        "response_rate",
        "Survey response rate",
        "نرخ پاسخ به نظرسنجی",
        "percent",
        "Answered / invitations delivered in the period x 100, with the 95 % interval (Wilson).",
        sums.responses,
        ("scale", *SURVEY_DIMENSIONS),
    ),
    Figure(
        "leads_captured",
        "Leads captured",
        "سرنخ‌های ثبت‌شده",
        "count",
        "Leads captured in the period.",
        leads.captured,
        LEAD_DIMENSIONS,
    ),
    Figure(
        "leads_answered_in_time",
        "Leads answered in time",
        "سرنخ‌های پاسخ‌گرفته در مهلت",
        "percent",
        "Of the leads captured in the period that were to be answered: first answer by the due time / (in time + late "
        "+ missed) x 100. Unanswered ones wait until they are due, then are missed; born answered ones, and those "
        "closed before they were due, do not count.",
        leads.answered_in_time,
        LEAD_DIMENSIONS,
    ),
    Figure(
        "funnel",
        "Lead funnel",
        "قیف فروش",
        "percent",
        "Of the leads captured in the period: the share whose person bought within 90 days; parts tell how many were "
        "qualified, won, and bought within 30 and 90 days.",
        sums.funnel,
        LEAD_DIMENSIONS,
    ),
)

FIGURES: Final = {figure.name: figure for figure in _ALL}


def figure_named(name: str) -> Figure:
    """Return the figure of this name, or refuse naming those that there are."""
    if name not in FIGURES:
        raise UnknownFigure(name, [*FIGURES, "cohorts"])
    return FIGURES[name]
