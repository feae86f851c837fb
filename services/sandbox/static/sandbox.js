"use strict";
// Keeps an open page up to date: when something changes, the page is fetched again and its live regions are replaced.
// Nothing is built from text here, so what a message says can never become markup.

const bottom = (region) => { region.scrollTop = region.scrollHeight; };
const atBottom = (region) => region.scrollHeight - region.scrollTop - region.clientHeight < 40;
const busy = (region) => region.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");

function replace(old, fresh) {
  if (busy(old) || old.innerHTML === fresh.innerHTML) return;
  const opened = [...old.querySelectorAll("details")].map((details) => details.open);
  const follow = "bottom" in old.dataset && atBottom(old);
  const focused = [...old.querySelectorAll("a, button, summary")].indexOf(document.activeElement);
  old.replaceChildren(...fresh.childNodes);
  const details = old.querySelectorAll("details");
  if (details.length === opened.length) details.forEach((each, i) => { each.open = opened[i]; });
  if (focused >= 0) old.querySelectorAll("a, button, summary")[focused]?.focus();
  if (follow) bottom(old);
}

let looking = false;
let again = false;
async function look() {
  if (looking) { again = true; return; }
  looking = true;
  try {
    do {
      again = false;
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(old.id);
        if (fresh) replace(old, fresh);
      }
    } while (again);
  } finally {
    looking = false;
  }
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!answer.ok) { form.submit(); return; }
  form.elements.text.value = "";
  form.elements.text.focus();
  await look();
}

document.querySelectorAll("[data-bottom]").forEach(bottom);
document.querySelector(".composer")?.addEventListener("submit", send);
const events = new EventSource("/sandbox/events");
events.addEventListener("changed", look);
events.addEventListener("open", look);
addEventListener("pagehide", () => events.close());
