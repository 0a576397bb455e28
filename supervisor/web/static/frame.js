// What is around each view: the bar, the navigation, and the banner that says when figures are old.
import { act, session } from "./api.js";
import { useNow } from "./clock.js";
import { coarse, count, exact } from "./format.js";
import { Icon } from "./icons.js";
import { help, VIEWS } from "./keys.js";
import { go, route } from "./router.js";
import { Remembered, Store, useStore } from "./store.js";
import { fresh, overview, pause, resume, workers } from "./stream.js";
import { toast } from "./toast.js";
import { html, useEffect, useState } from "./ui.js";

const theme = new Remembered("theme", "auto");
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const drawer = new Store(false);

function applyTheme(chosen) {
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
theme.watch(applyTheme);

export function ThemeSwitch() {
  const chosen = useStore(theme);
  const label = `Theme: ${chosen === "auto" ? "as the system has it" : chosen}. Switch to ${NEXT[chosen]}`;
  return html`<button type="button" class="plain" aria-label=${label} title=${label} onClick=${() => theme.set(NEXT[chosen])}><${Icon} name=${chosen} /></button>`;
}

const MODES = { live: "Live", connecting: "Connecting", away: "Supervisor away", lost: "Not connected", paused: "Paused" };

function LiveSwitch() {
  const { mode } = useStore(fresh);
  const label = mode === "paused" ? "Resume live updates" : "Pause live updates";
  return html`<button type="button" class=${`live-switch m-${mode}`} aria-label=${`${MODES[mode]}. ${label}`} title=${`${label} (p)`} onClick=${mode === "paused" ? resume : pause}>
    <i class="dot"></i><span>${MODES[mode]}</span><${Icon} name=${mode === "paused" ? "play" : "pause"} />
  </button>`;
}

function Search() {
  const { path, params } = useStore(route);
  const asked = path === "tasks" ? (params.get("search") ?? "") : "";
  const [text, setText] = useState(asked);
  useEffect(() => setText(asked), [asked, path]);
  const submit = (event) => {
    event.preventDefault();
    const next = path === "tasks" ? new URLSearchParams(params) : new URLSearchParams();
    next.delete("cursor");
    next.delete("search");
    if (text.trim()) next.set("search", text.trim());
    go(`tasks${next.size ? `?${next}` : ""}`);
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <${Icon} name="search" />
    <input id="search" type="search" aria-label="Search tasks by name, id or error" placeholder="Search tasks: name, id, error" value=${text} onInput=${(event) => setText(event.target.value)} autocomplete="off" spellcheck="false" />
    <kbd aria-hidden="true">/</kbd>
  </form>`;
}

function Who() {
  const found = useStore(session);
  if (!found?.role) return null;
  const out = async () => {
    try {
      await act("api/session", undefined, "DELETE");
      session.set(null);
      go("sign-in");
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  return html`<span class="who" title=${`Signed in as ${found.user || found.role}, role ${found.role}`}><${Icon} name="user" /><span>${found.role === "viewer" ? "viewer, looks only" : found.user || found.role}</span></span>
    ${found.sign_in && html`<button type="button" class="plain" aria-label="Sign out" title="Sign out" onClick=${out}><${Icon} name="exit" /></button>`}`;
}

export function Bar() {
  const found = useStore(session);
  const opened = useStore(drawer);
  return html`<header class="top">
    <button type="button" class="plain menu" aria-label="Navigation" aria-expanded=${String(opened)} aria-controls="navigation" onClick=${() => drawer.set(!opened)}><${Icon} name=${opened ? "close" : "menu"} /></button>
    <a class="brand" href="." aria-label=${`${found?.title || "Supervisor"}, overview`}><img src="static/icon.svg" width="24" height="24" alt="" /><span>${found?.title || "Supervisor"}</span></a>
    <${Search} />
    <div class="top-right"><${LiveSwitch} /><${ThemeSwitch} />
      <button type="button" class="plain help" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick=${help}><${Icon} name="help" /></button>
      <${Who} /></div>
  </header>`;
}

const BADGES = {
  running: (_, seen) => seen?.filter((worker) => worker.tasks.length).length,
  queues: ({ total }) => total.depth,
};

export function Sidebar({ path }) {
  const found = useStore(overview);
  const seen = useStore(workers);
  const opened = useStore(drawer);
  const badge = (view) => (found?.live && BADGES[view.path]?.(found, seen)) || 0;
  const who = useStore(session);
  useEffect(() => drawer.set(false), [path]);
  const at = path.split("/")[0];
  return html`<nav id="navigation" class=${`side ${opened ? "open" : ""}`} aria-label="Views">
    <ul>
      ${VIEWS.map(
        (view) => html`<li key=${view.path}>
          <a href=${view.path || "."} aria-current=${at === view.path ? "page" : undefined}><${Icon} name=${view.icon} /><span class="grow">${view.title}</span>${badge(view) > 0 && html`<span class="badge">${count(badge(view))}</span>`}</a>
        </li>`,
      )}
    </ul>
    <p class="version">${who?.version && `gunicorn-supervisor ${who.version}`}</p>
  </nav>`;
}

const TOLD = {
  away: "The supervisor does not answer.",
  lost: "Not connected: the web server does not answer.",
  paused: "Live updates are paused.",
};

// Says that what is shown is old, and how old; dims the figures by an attribute of the page.
export function Banner() {
  const { mode, since, reason } = useStore(fresh);
  const seen = useStore(overview);
  const now = useNow();
  const old = mode in TOLD;
  useEffect(() => {
    document.documentElement.dataset.fresh = old ? "old" : "now";
  }, [old]);
  if (!old) return null;
  const age = seen?.live ? html`Figures are from <time title=${exact(since)}>${coarse(Math.max(0, now - since))} ago</time>.` : "There are no live figures.";
  return html`<div class=${`banner b-${mode}`} role=${mode === "paused" ? "status" : "alert"}>
    <${Icon} name=${mode === "paused" ? "pause" : "warning"} />
    <div class="grow"><strong>${TOLD[mode]}</strong> ${age}
      ${mode === "away" && html` <span>Lists below are from the journal.</span>`}
      ${reason && mode === "away" && html`<details><summary>Why</summary>${reason}</details>`}
    </div>
    ${mode === "paused" && html`<button type="button" onClick=${resume}>Resume</button>`}
  </div>`;
}
