// Drawing: lines, bars and intervals by month, in the page's colours and digits; and a table of the same beside each.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function ticks(most, shown, whole) {
  const raw = Math.max(most, 1e-9) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  let step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
  if (whole || most >= 4) step = Math.max(1, Math.round(step));
  const values = [];
  for (let value = 0; value <= most + step * 0.01 || values.length < 2; value += step) values.push(value);
  return { tickvals: values, ticktext: values.map(shown), range: [0, Math.max(most, values.at(-1)) * 1.06] };
}

function monthTicks(points, writer, width) {
  const room = Math.max(2, Math.floor(width / 88));
  const every = Math.ceil(points.length / room);
  const places = points.map((_, place) => place).filter((place) => (points.length - 1 - place) % every === 0);
  return { tickvals: places, ticktext: places.map((place) => writer.month(points[place].from)) };
}

const hovers = (series, points, writer) =>
  points.map((point, place) => {
    const note = point.complete ? "" : " ○";
    const more = series.notes?.[place] ? ` (${series.notes[place]})` : "";
    return `${writer.month(point.from)}${note}<br>${series.name}: ${series.shown(series.values[place])}${more}`;
  });

function line(series, points, writer) {
  return {
    type: "scatter",
    mode: "lines+markers",
    x: points.map((_, place) => place),
    y: series.values,
    line: { color: colour(series.colour), width: 2.5, shape: "linear" },
    marker: { size: 8, symbol: points.map((point) => (point.complete ? "circle" : "circle-open")) },
    error_y: series.intervals && {
      type: "data",
      symmetric: false,
      array: series.intervals.map((each, place) => (each ? each.high - series.values[place] : 0)),
      arrayminus: series.intervals.map((each, place) => (each ? series.values[place] - each.low : 0)),
      color: colour(series.colour),
      thickness: 1.2,
      width: 5,
    },
    hovertext: hovers(series, points, writer),
    hoverinfo: "text",
    cliponaxis: false,
  };
}

function bars(series, points, writer) {
  return {
    type: "bar",
    x: points.map((_, place) => place),
    y: series.values,
    marker: { color: colour(series.colour), opacity: points.map((point) => (point.complete ? 1 : 0.55)) },
    hovertext: hovers(series, points, writer),
    hoverinfo: "text",
  };
}

function highest(panel) {
  if (panel.percent) return 100;
  if (!panel.stacked) return Math.max(0, ...panel.series.flatMap((series) => series.values.map(Number)));
  return Math.max(
    0,
    ...panel.points.map((_, place) => panel.series.reduce((sum, each) => sum + each.values[place], 0)),
  );
}

/** Draw a panel's series into `chart`; `panel` has points, series, percent or shown, and stacked for bars. */
export function draw(chart, panel, writer) {
  const shown = panel.percent ? writer.percent : writer.short;
  const axis = {
    gridcolor: colour("rule"),
    zeroline: false,
    fixedrange: true,
    tickfont: { color: colour("quiet"), size: 12 },
  };
  const layout = {
    autosize: true,
    margin: { l: 52, r: 14, t: 8, b: 34 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink") },
    showlegend: false,
    barmode: "stack",
    bargap: 0.35,
    hoverlabel: {
      bgcolor: colour("card"),
      bordercolor: colour("rule"),
      font: { color: colour("ink"), size: 13 },
    },
    xaxis: {
      ...axis,
      showgrid: false,
      ...monthTicks(panel.points, writer, chart.clientWidth - 66),
      range: [-0.5, panel.points.length - 0.5],
    },
    yaxis: { ...axis, ...ticks(highest(panel), shown, panel.stacked) },
  };
  const made = panel.series.map((series) => (panel.stacked ? bars : line)(series, panel.points, writer));
  return globalThis.Plotly.react(chart, made, layout, { displayModeBar: false, responsive: true });
}

export function legend(panel) {
  const list = element("ul", { className: "legend" });
  for (const series of panel.series) {
    const mark = element("span");
    mark.style.backgroundColor = colour(series.colour);
    list.append(element("li", {}, mark, series.name));
  }
  return list;
}

export function table(panel, writer, words) {
  const head = element(
    "tr",
    {},
    ...[words.month, ...panel.series.map((each) => each.name)].map((name) =>
      element("th", { scope: "col", textContent: name }),
    ),
  );
  const rows = panel.points.map((point, place) => {
    const cells = panel.series.map((series) =>
      element("td", {
        textContent:
          series.shown(series.values[place]) + (series.notes?.[place] ? ` (${series.notes[place]})` : ""),
      }),
    );
    const month = element("th", { scope: "row", textContent: writer.month(point.from) });
    if (!point.complete)
      month.append(element("span", { className: "open", textContent: ` · ${words.unfinished}` }));
    return element("tr", {}, month, ...cells);
  });
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows.reverse()));
}
