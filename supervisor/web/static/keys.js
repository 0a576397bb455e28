// Keyboard shortcuts, and the help that lists them.
import { html } from "./ui.js";
import { show } from "./dialog.js";
import { go } from "./router.js";
import { Remembered, useStore } from "./store.js";
import { fresh, pause, resume } from "./stream.js";

export const VIEWS = [
  { path: "", title: "Overview", icon: "overview", key: "o" },
  { path: "running", title: "Now running", icon: "running", key: "n" },
  { path: "queues", title: "Queues", icon: "queues", key: "q" },
  { path: "tasks", title: "Tasks", icon: "tasks", key: "t" },
  { path: "dead", title: "Dead letters", icon: "dead", key: "d" },
  { path: "schedules", title: "Schedules", icon: "schedules", key: "s" },
  { path: "workers", title: "Workers", icon: "workers", key: "w" },
  { path: "system", title: "System", icon: "system", key: "y" },
];

const enabled = new Remembered("shortcuts", "on");
let going = 0;

const isTyping = (target) => target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

function moveRow(step) {
  const links = [...document.querySelectorAll("main td a.task-link, main td a.row-link")];
  if (!links.length) return;
  const row = document.activeElement.closest?.("tr");
  const at = links.findIndex((link) => row?.contains(link));
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.max(0, Math.min(links.length - 1, at + step))];
  next.focus();
  next.closest("tr").scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "?": () => help(),
  "/": () => document.querySelector("#search")?.focus(),
  p: () => (fresh.value.mode === "paused" ? resume() : pause()),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  g: () => {
    going = performance.now();
  },
};

function press(event) {
  if (event.key === "Escape" && isTyping(event.target) && !document.querySelector("dialog[open]")) event.target.blur();
  if (enabled.value !== "on" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const view = performance.now() - going < 1500 && VIEWS.find((each) => each.key === event.key);
  going = 0;
  if (view) go(view.path || ".");
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
}

export function startKeys() {
  document.addEventListener("keydown", press);
}

export const help = () => show("Keyboard shortcuts", Help);

function Help() {
  const state = useStore(enabled);
  const rows = [
    ["/", "Search tasks"],
    ["j  k", "Next and previous row"],
    ["p", "Pause or resume live updates"],
    ["?", "This help"],
    ["Esc", "Close a dialog, leave a field"],
    ...VIEWS.map((view) => [`g  ${view.key}`, view.title]),
  ];
  return html`<div>
    <dl class="keys">${rows.map(([keys, what]) => html`<div key=${what}><dt>${keys.split("  ").map((key) => html`<kbd key=${key}>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
    <label class="check"><input type="checkbox" checked=${state === "on"} onChange=${(event) => enabled.set(event.target.checked ? "on" : "off")} /> Shortcuts are on</label>
  </div>`;
}
