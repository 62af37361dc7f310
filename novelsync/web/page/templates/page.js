// Shows times in the reader's zone, a button's answer beside the button, and how far a run is. Without JavaScript the page
// shows UTC, and a button's answer is a page of its own.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long" });
const year = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });
const PAUSE = 2000;

function localise(root) {
  const now = new Date();
  for (const time of root.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    const date = (moment.getFullYear() === now.getFullYear() ? day : year).format(moment);
    time.title = time.textContent;
    time.textContent = (date === day.format(now) ? "" : `${date}, `) + hour.format(moment);
  }
  for (const place of root.querySelectorAll("[data-zone]")) place.textContent = zone.replaceAll("_", " ");
}

async function ask(address, method) {
  const answer = await fetch(address, { method, headers: { Accept: "text/html,application/xhtml+xml" } });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

let sending = false;

async function send(form) {
  const button = form.querySelector("button");
  const answer = document.getElementById("answer");
  if (sending || button.ariaDisabled) return;
  sending = true;
  button.ariaDisabled = "true";
  answer.textContent = form.dataset.meanwhile;
  follow();
  try {
    const page = await ask(form.action, "POST");
    const headline = document.createElement("b");
    headline.textContent = `${page.getElementById("headline").textContent}.`;
    answer.replaceChildren(headline, ...page.getElementById("said").childNodes);
  } catch {
    answer.textContent = "No answer came. Is the server still there?";
  }
  sending = false;
  // The answer is shown by now, so a failed refresh is no reason to complain.
  await refresh().catch(() => {});
  button.ariaDisabled = null;
}

// Replaces everything but the answer. What is open stays open, and the focus stays where it is.
async function refresh() {
  const page = await ask(location.href, "GET");
  const focused = document.activeElement?.id;
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    localise(fresh);
    if (old.querySelector("details")?.open) fresh.querySelector("details")?.setAttribute("open", "");
    if (sending) for (const button of fresh.querySelectorAll("button")) button.ariaDisabled = "true";
    old.replaceWith(fresh);
  }
  if (focused && document.activeElement === document.body)
    (document.getElementById(focused) ?? document.getElementById("answer"))?.focus();
  document.title = page.title;
  document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").href;
}

// While a run goes on, here or elsewhere. A page that nobody looks at asks for nothing.
let following = false;

async function follow() {
  if (following) return;
  following = true;
  while (sending || document.querySelector("[data-running]")) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (!document.hidden) await refresh().catch(() => {});
  }
  following = false;
}

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || !document.getElementById("answer")) return;
  event.preventDefault();
  send(event.target);
});
localise(document);
follow();
