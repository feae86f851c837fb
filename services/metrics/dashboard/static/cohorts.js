// Cohorts as a table whose cells are shaded by their share.

import { element } from "./charts.js";

const MOST_MONTHS = 24;

export function cohortTable(cohorts, kind, words, writer) {
  const columns = Math.min(MOST_MONTHS, Math.max(0, ...cohorts.map((cohort) => cohort.months.length)));
  const head = element(
    "tr",
    {},
    element("th", { scope: "col", textContent: words.cohort }),
    element("th", { scope: "col", textContent: words.size }),
  );
  for (let month = 0; month < columns; month += 1)
    head.append(element("th", { scope: "col", textContent: writer.number(month) }));
  const rows = cohorts.map((cohort) => {
    const cells = Array.from({ length: columns }, (_, month) =>
      cell(cohort.months[month], kind, words, writer),
    );
    const size = element("th", { scope: "row", textContent: writer.number(cohort.size) });
    return element(
      "tr",
      {},
      element("th", { scope: "row", textContent: writer.month(cohort.cohort) }),
      size,
      ...cells,
    );
  });
  return element("table", { className: "heat" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

function cell(month, kind, words, writer) {
  if (!month) return element("td", { className: "empty-cell" });
  const share = month[`${kind}_share`];
  const made = element("td", {
    textContent: writer.share(share),
    title: `${words[kind]}: ${writer.number(month[kind])}`,
  });
  made.style.setProperty("--share", share);
  if (!month.complete) {
    made.classList.add("unfinished");
    made.title += ` · ${words.unfinished}`;
  }
  return made;
}
