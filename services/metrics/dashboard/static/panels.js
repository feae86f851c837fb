// What the page shows: which figures each panel is made of, and what stands on the tiles.

const values = (figure) => figure.points.map((point) => point.value);
const part = (figure, name) => figure.points.map((point) => point.parts[name]);
const interval = (point, writer) =>
  point.confidence_interval && `${writer.percent(point.confidence_interval.low)} – ${writer.percent(point.confidence_interval.high)}`;

const FIGURES = [
  "retention",
  "churn",
  "repeat_purchase_rate",
  "purchase_retention",
  "purchases",
  "average_order_value",
  "clv_historical",
  "leads_captured",
  "leads_answered_in_time",
];

/** Ask for all that the page shows of a span. */
export async function load(read, asked) {
  const monthly = { ...asked, interval: "month" };
  const { currency, ...span } = asked;
  const [figures, csat, cohorts] = await Promise.all([
    Promise.all(FIGURES.map((name) => read(`/${name}`, monthly))),
    read("/csat", { ...monthly, by: "scale" }),
    read("/cohorts", span),
  ]);
  return { ...Object.fromEntries(figures.map((figure) => [figure.figure, figure])), csat, cohorts };
}

const PALETTE = ["accent", "second", "third"];

function byScale(csat, words, writer, months) {
  const scales = [...new Set(csat.points.map((point) => point.by))];
  return scales.map((scale, place) => {
    const found = months.map((month) =>
      csat.points.find((point) => point.by === scale && point.from === month.from),
    );
    return {
      name: `${words.csat} · ${writer.scale(scale)}`,
      colour: PALETTE[place % PALETTE.length],
      shown: writer.percent,
      values: found.map((point) => point.value),
      intervals: found.map((point) => point.confidence_interval),
      notes: found.map(
        (point) =>
          point.value !== null &&
          `${interval(point, writer)} · ${writer.number(point.count)} ${words.answers}`,
      ),
    };
  });
}

/** The panels, each with its points (months), its series, and how they are drawn. */
export function panels(found, words, writer) {
  const { retention, churn, csat } = found;
  const months = retention.points;
  const lost = months.map(
    ({ parts }) => parts.active_at_start - (parts.active_at_end - parts.new - parts.won_back),
  );
  const rate = (figure, name, colour) => ({ name, colour, shown: writer.percent, values: values(figure) });
  const counted = (name, colour, amounts) => ({ name, colour, shown: writer.number, values: amounts });
  const money = (figure, name, colour) => ({ name, colour, shown: writer.money, values: values(figure) });
  const leads = (name, words_, colour) => counted(words_, colour, part(found.leads_answered_in_time, name));
  return [
    {
      id: "retention",
      percent: true,
      points: months,
      series: [rate(retention, words.retention, "accent"), rate(churn, words.churn, "second")],
    },
    {
      id: "flows",
      stacked: true,
      points: months,
      series: [
        counted(words.new, "good", part(retention, "new")),
        counted(words.wonBack, "third", part(retention, "won_back")),
        counted(words.lostCustomers, "waiting", lost),
      ],
    },
    { id: "csat", percent: true, points: months, series: byScale(csat, words, writer, months) },
    {
      id: "leads",
      stacked: true,
      points: found.leads_answered_in_time.points,
      series: [
        leads("in_time", words.inTime, "good"),
        leads("late", words.late, "late"),
        leads("missed", words.missed, "bad"),
        leads("waiting", words.waiting, "waiting"),
      ],
    },
    {
      id: "repeat",
      percent: true,
      points: months,
      series: [
        rate(found.repeat_purchase_rate, words.repeatRate, "accent"),
        rate(found.purchase_retention, words.purchaseRetention, "third"),
      ],
    },
    {
      id: "money",
      points: months,
      series: [
        money(found.clv_historical, words.clv, "accent"),
        money(found.average_order_value, words.aov, "second"),
      ],
    },
  ];
}

export const isEmpty = (panel) =>
  panel.series.every((series) =>
    series.values.every((value) => value === null || value === undefined || (panel.stacked && value === 0)),
  );

const latest = (points) =>
  points.findLast((point) => point.complete && point.value !== null) ??
  points.findLast((point) => point.value !== null);

/** The tiles: the newest complete month of each figure that has one. */
export function tiles(found, words, writer) {
  const tile = (name, figure, shown, note) => {
    const point = latest(figure.points);
    return {
      name,
      value: point ? shown(point.value) : "–",
      of: point ? [writer.month(point.from), note?.(point)].filter(Boolean).join(" · ") : "",
    };
  };
  const severalScales = new Set(found.csat.points.map((point) => point.by)).size > 1;
  const answers = (point) =>
    [severalScales && writer.scale(point.by), interval(point, writer)].filter(Boolean).join(" · ");
  return [
    tile(
      words.retention,
      found.retention,
      writer.percent,
      (point) => `${words.of} ${writer.number(point.count)}`,
    ),
    tile(words.churn, found.churn, writer.percent),
    tile(words.csat, found.csat, writer.percent, answers),
    tile(
      words.answeredInTime,
      found.leads_answered_in_time,
      writer.percent,
      (point) => `${words.of} ${writer.number(point.count)}`,
    ),
    tile(words.captured, found.leads_captured, writer.number),
    tile(words.repeatRate, found.repeat_purchase_rate, writer.percent),
    tile(words.aov, found.average_order_value, writer.money, () => writer.currency(found.average_order_value.currency)),
    tile(words.clv, found.clv_historical, writer.money, () => writer.currency(found.clv_historical.currency)),
  ];
}
