// The console's script: it shows times in the viewer's zone, replaces the sections of a page
// as they change, and says when it cannot. Everything else works without it.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const today = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function showTimes(within) {
  for (const element of within.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    const recent = at.toDateString() === new Date().toDateString();
    element.textContent = (recent ? today : full).format(at);
  }
}

function showFigures(at) {
  const age = document.getElementById("age");
  if (age) age.textContent = today.format(at);
}

let figures = new Date(document.body.dataset.now || Date.now());

function broken(reason) {
  const banner = document.getElementById("broken");
  banner.hidden = !reason;
  const text = reason ? "✗ " + reason + " Figures are from " + today.format(figures) + "." : "";
  if (banner.textContent !== text) banner.textContent = text;
}

// A section is replaced as a whole. What somebody has opened stays open, and who is in it
// with the keyboard stays where they are.
function replace(section, html) {
  const open = [...section.querySelectorAll("details")].map((d) => d.open);
  const active = document.activeElement;
  const inside = section.contains(active) ? [...section.querySelectorAll("a, button, summary, input, [tabindex]")].indexOf(active) : -1;
  section.innerHTML = html;
  const details = [...section.querySelectorAll("details")];
  if (details.length === open.length) details.forEach((d, i) => { d.open = open[i]; });
  showTimes(section);
  if (inside >= 0) {
    const focusable = section.querySelectorAll("a, button, summary, input, [tabindex]");
    if (focusable[inside]) focusable[inside].focus({ preventScroll: true });
  }
}

const patience = 15000;

function listen(address, handlers) {
  let heard = Date.now();
  const source = new EventSource(address);
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => { heard = Date.now(); handle(event.data); });
  }
  source.addEventListener("open", () => { heard = Date.now(); });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      broken("You are signed out, or the server has no room: reload this page.");
    } else {
      broken("The connection to the server is broken; trying again.");
    }
  });
  return () => Date.now() - heard;
}

function follow() {
  const address = document.body.dataset.live;
  if (!address) return;
  const silence = listen(address, {
    sections: (data) => {
      figures = new Date();
      broken("");
      showFigures(figures);
      for (const [id, html] of Object.entries(JSON.parse(data))) {
        const section = document.getElementById(id);
        if (section && (id !== "filter")) replace(section, html);
      }
      filter();
    },
    trouble: (data) => broken(data),
  });
  setInterval(() => { if (silence() > patience) broken("The server has sent nothing for a while."); }, 1000);
}

function followLog() {
  const log = document.querySelector("[data-follow]");
  if (!log) return;
  log.scrollTop = log.scrollHeight;
  const most = 2000;
  listen(log.dataset.follow, {
    line: (data) => {
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      log.insertAdjacentHTML("beforeend", data);
      showTimes(log.lastElementChild);
      while (log.children.length > most) log.firstElementChild.remove();
      if (atEnd) log.scrollTop = log.scrollHeight;
      broken("");
    },
    trouble: (data) => broken(data),
  });
}

// Rows that are there are filtered as somebody types; Enter asks the server for all.
function filter() {
  const input = document.getElementById("q");
  if (!input) return;
  for (const row of document.querySelectorAll("tr[data-app]")) {
    row.hidden = !row.dataset.app.includes(input.value);
  }
}

showTimes(document);
showFigures(figures);
const zoneName = document.getElementById("zone");
if (zoneName) zoneName.textContent = "your zone, " + zone + "; point at one for the server's";
const search = document.getElementById("q");
if (search) search.addEventListener("input", filter);
follow();
followLog();
