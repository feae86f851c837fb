// The page: who looks, at which span, in which language; asks again whenever the stream says that figures changed.

import { draw, element, legend, table } from "./charts.js";
import { follow, forgetToken, keepToken, read, Refused, SignedOut, token } from "./client.js";
import { cohortTable } from "./cohorts.js";
import { isEmpty, load, panels, tiles } from "./panels.js";
import { WORDS, writer } from "./texts.js";

const RETRY_MS = 2000;
const GATHER_MS = 150;
const byId = (id) => document.getElementById(id);
const address = new URLSearchParams(location.search);
const state = {
  language: address.get("lang") ?? localStorage.getItem("peyvand.lang") ?? "fa",
  calendar: address.get("calendar") ?? "jalali",
  from: address.get("from") ?? "",
  to: address.get("to") ?? "",
  currency: address.get("currency") ?? "",
};
let shown = null;
let stream = null;

const words = () => WORDS[state.language];
const write = () => writer(state.language, shown?.retention.calendar ?? state.calendar);
const asked = () => ({ calendar: state.calendar, from: state.from, to: state.to, currency: state.currency });

function speak() {
  document.documentElement.lang = state.language;
  document.documentElement.dir = state.language === "fa" ? "rtl" : "ltr";
  document.title = words().title;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words()[each.dataset.word];
  byId("language").textContent = words().other;
  byId("language").lang = state.language === "fa" ? "en" : "fa";
  byId("tiles").setAttribute("aria-label", words().tiles);
  say(document.querySelector(".live").dataset.state ?? "connecting");
}

function say(name) {
  const place = document.querySelector(".live");
  place.dataset.state = name;
  byId("live").textContent = words()[name];
}

function show() {
  if (!shown) return;
  for (const name of ["from", "to"])
    if (!state[name]) byId(name).value = write().date(shown.retention[name]);
  const made = panels(shown, words(), write());
  byId("tiles").replaceChildren(...tiles(shown, words(), write()).map(tileElement));
  for (const panel of made) byId(`panel-${panel.id}`) ?? panelCard(panel.id);
  for (const panel of made) showPanel(panel);
  showCohorts();
  byId("foot").textContent = words().foot(
    shown.settings.time_zone,
    write().number(shown.settings.activity_days),
  );
}

const tileElement = (tile) =>
  element(
    "article",
    { className: "tile" },
    element("h3", { textContent: tile.name }),
    element("p", { className: "value", textContent: tile.value }),
    element("p", { className: "of", textContent: tile.of }),
  );

function showPanel(panel) {
  const card = byId(`panel-${panel.id}`);
  card.querySelector("h2").textContent = words()[panel.id];
  card.querySelector("header p").textContent = words()[`${panel.id}Why`];
  card.querySelector("summary").textContent = words().table;
  const chart = card.querySelector(".chart");
  const empty = isEmpty(panel);
  chart.hidden = empty;
  card.querySelector(".empty").hidden = !empty;
  card.querySelector(".empty").textContent = words().none;
  card.querySelector("details").hidden = empty;
  card.querySelector(".legend").replaceWith(empty ? element("ul", { className: "legend" }) : legend(panel));
  if (empty) return;
  chart.setAttribute("aria-label", words()[panel.id]);
  draw(chart, panel, write());
  card.querySelector(".scroll").replaceChildren(table(panel, write(), words()));
}

function panelCard(id) {
  const card = element("section", { className: "card", id: `panel-${id}` });
  const chart = element("div", { className: "chart", role: "img" });
  const details = element(
    "details",
    {},
    element("summary"),
    element("div", { className: "scroll", tabIndex: 0 }),
  );
  card.append(
    element("header", {}, element("h2"), element("p")),
    chart,
    element("p", { className: "empty", hidden: true }),
    element("ul", { className: "legend" }),
    details,
  );
  byId("panels").append(card);
}

function showCohorts() {
  const kind = document.querySelector("input[name=share]:checked").value;
  const found = shown.cohorts.cohorts;
  const content = found.length
    ? cohortTable(found, kind, words(), write())
    : element("p", { className: "empty", textContent: words().none });
  byId("cohortTable").replaceChildren(content);
}

async function refresh() {
  try {
    const settings = shown?.settings ?? (await read(""));
    await chooseCurrency();
    shown = { settings, ...(await load(read, asked())) };
    byId("spanRefused").textContent = "";
  } catch (error) {
    if (error instanceof SignedOut) return signOut(words().refused);
    if (!(error instanceof Refused)) throw error;
    byId("spanRefused").textContent = error.message;
  }
  show();
}

/** Offer the currencies of the span, and look at the one with the most purchases unless one was chosen. */
async function chooseCurrency() {
  const { points } = await read("/purchases", { ...asked(), by: "currency" });
  const known = points.toSorted((one, other) => other.value - one.value).map((point) => point.by);
  if (state.currency && !known.includes(state.currency)) known.push(state.currency);
  if (!state.currency && known.length) [state.currency] = known;
  byId("currency").replaceChildren(
    ...known.map((code) =>
      element("option", { value: code, textContent: code, selected: code === state.currency }),
    ),
  );
  byId("currency").parentElement.hidden = known.length < 2;
}

/** Follow the stream for as long as there is a token; changes that come close together are one. */
async function live() {
  stream?.abort();
  const own = (stream = new AbortController());
  let gathering = null;
  const changed = () => {
    say("live");
    beat();
    gathering ??= setTimeout(() => {
      gathering = null;
      refresh().catch(() => say("lost"));
    }, GATHER_MS);
  };
  while (!own.signal.aborted) {
    try {
      await follow(changed, own.signal);
    } catch (error) {
      if (error instanceof SignedOut) return signOut(words().refused);
    }
    if (own.signal.aborted) return;
    say("lost");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function beat() {
  const place = document.querySelector(".live");
  place.classList.remove("beat");
  requestAnimationFrame(() => place.classList.add("beat"));
}

function signOut(why = "") {
  stream?.abort();
  forgetToken();
  shown = null;
  byId("refused").textContent = why;
  for (const id of ["figures", "leave"]) byId(id).hidden = true;
  byId("signin").hidden = false;
  say("connecting");
  byId("token").focus();
}

async function signIn() {
  byId("signin").hidden = true;
  for (const id of ["figures", "leave"]) byId(id).hidden = false;
  await refresh().catch(() => say("lost"));
  if (token()) live();
}

function remember() {
  const kept = Object.entries({ ...asked(), lang: state.language }).filter(([, value]) => value);
  history.replaceState(null, "", `${location.pathname}?${new URLSearchParams(kept)}`);
}

byId("language").addEventListener("click", () => {
  state.language = state.language === "fa" ? "en" : "fa";
  localStorage.setItem("peyvand.lang", state.language);
  remember();
  speak();
  show();
});
byId("leave").addEventListener("click", () => signOut());
byId("signin").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(byId("token").value);
  byId("token").value = "";
  byId("refused").textContent = "";
  signIn();
});
byId("span").addEventListener("submit", (event) => {
  event.preventDefault();
  for (const name of ["calendar", "from", "to", "currency"]) state[name] = byId(name).value;
  remember();
  refresh();
});
byId("calendar").addEventListener("change", () => {
  byId("from").value = byId("to").value = "";
});
for (const each of document.querySelectorAll("input[name=share]"))
  each.addEventListener("change", () => shown && showCohorts());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);

speak();
for (const name of ["calendar", "from", "to"]) byId(name).value = state[name];
if (token()) signIn();
else signOut();
