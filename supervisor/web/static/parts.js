// What all views are made of.
import { act, session } from "./api.js";
import { useNow } from "./clock.js";
import { confirmed } from "./dialog.js";
import { exact, NONE, relative, shortId, words } from "./format.js";
import { Icon } from "./icons.js";
import { taskUrl } from "./router.js";
import { useStore } from "./store.js";
import { fresh } from "./stream.js";
import { toast } from "./toast.js";
import { html, useEffect, useRef, useState } from "./ui.js";

export const STATES = [
  "scheduled", "queued", "blocked", "running", "retrying", "succeeded", "failed", "timed_out", "lost", "cancelled", "expired",
];
export const ENDED = new Set(["succeeded", "failed", "timed_out", "lost", "cancelled", "expired"]);

export const State = ({ state }) =>
  html`<span class=${`state s-${state}`}><${Icon} name=${state} />${words(state)}</span>`;

// A moment, as its distance from now; exact when pointed at.
export function Ago({ at, none = NONE }) {
  const now = useNow();
  if (at == null) return html`<span class="muted">${none}</span>`;
  return html`<time datetime=${new Date(at * 1000).toISOString()} title=${exact(at)}>${relative(at, now)}</time>`;
}

export function Copy({ text, label = "Copy" }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyByHand(text); // no clipboard without TLS
    }
    setDone(true);
  };
  return html`<button type="button" class="plain copy" aria-label=${done ? "Copied" : label} title=${done ? "Copied" : label} onClick=${copy}>
    <${Icon} name=${done ? "check" : "copy"} />
  </button>`;
}

function copyByHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export const TaskLink = ({ id, name }) => html`<a class="task-link" href=${taskUrl(id)} title=${id}>${name || shortId(id)}</a>`;
export const Id = ({ id }) => html`<span class="id"><code title=${id}>${shortId(id)}</code><${Copy} text=${id} label=${`Copy id ${id}`} /></span>`;

export function Panel({ title, note, actions, children, flush = false, className = "" }) {
  return html`<section class=${`panel ${className}`}>
    ${title &&
    html`<header class="panel-head"><h2>${title}</h2>${note && html`<span class="note">${note}</span>`}<span class="grow"></span>${actions}</header>`}
    <div class=${flush ? "flush" : "panel-body"}>${children}</div>
  </section>`;
}

export function Head({ title, note, children }) {
  return html`<header class="view-head">
    <div class="grow"><h1 tabindex="-1" id="view-title">${title}</h1>${note && html`<p class="note">${note}</p>`}</div>
    <div class="actions">${children}</div>
  </header>`;
}

export const Empty = ({ title, children }) => html`<div class="empty"><p class="empty-title">${title}</p>${children && html`<p>${children}</p>`}</div>`;

// The states in which data may be: not there yet, refused, old, or good.
export function Loaded({ from, children, lines = 5 }) {
  const { data, error, at, loading, reload } = from;
  if (data === null && error) return html`<${Failed} error=${error} again=${reload} />`;
  if (data === null) return html`<${Skeleton} lines=${lines} />`;
  return html`${error && html`<${Failed} error=${error} again=${reload} at=${at} />`}
    <div class=${error || loading ? "dimmed" : ""} aria-busy=${String(loading)}>${children(data)}</div>`;
}

export function Failed({ error, again, at }) {
  return html`<div class="failed" role="alert">
    <${Icon} name="warning" />
    <div class="grow"><strong>${at ? "This could not be read again" : "This could not be read"}</strong>
      <p>${error.message}.${at ? html` What is below is from <${Ago} at=${at} />.` : ""}</p></div>
    ${again && html`<button type="button" onClick=${again}>Try again</button>`}
  </div>`;
}

export const Skeleton = ({ lines }) =>
  html`<div class="skeleton" role="status" aria-label="Loading">${Array.from({ length: lines }, (_, key) => html`<div key=${key}></div>`)}</div>`;

// Why nothing can be done now; empty where it can.
export function useObstacle() {
  const found = useStore(session);
  const { mode } = useStore(fresh);
  if (found?.role !== "operator") return "You may look only: this needs the role operator";
  if (mode === "away") return "The supervisor does not answer";
  if (mode === "lost") return "The web server does not answer";
  return "";
}

// A button that does something: asks first where there is something to ask, tells what came of it.
export function Act({ label, icon, path, body, ask, done, after, run, tone = "", only = false, name = "" }) {
  const obstacle = useObstacle();
  const [busy, setBusy] = useState(false);
  const mounted = useRef(true);
  useEffect(() => () => { mounted.current = false; }, []);
  const click = async () => {
    if (obstacle) return toast(`${obstacle}.`, { bad: true });
    if (busy || (ask && !(await confirmed({ label, ...ask })))) return undefined;
    setBusy(true);
    try {
      const answer = run ? await run() : await act(path, body);
      const said = done?.(answer);
      if (said) toast(...(Array.isArray(said) ? said : [said]));
      after?.(answer);
    } catch (error) {
      toast(error.message, { bad: true });
    }
    if (mounted.current) setBusy(false);
    return undefined;
  };
  return html`<button
    type="button"
    class=${`${tone} ${only ? "only" : ""}`}
    aria-disabled=${String(Boolean(obstacle) || busy)}
    aria-label=${only || name ? name || label : undefined}
    title=${obstacle || (only ? name || label : undefined)}
    onClick=${click}
  >${icon && html`<${Icon} name=${icon} />`}${!only && html`<span>${label}</span>`}</button>`;
}

// How far something is, 0 to 1, as a bar; beyond `warn` it is said to be near its end. A `mark` is a place in it.
export function Bar({ part, label, warn = 2, tone = "", mark = null }) {
  const held = Math.max(0, Math.min(1, part ?? 0));
  return html`<span class=${`bar ${tone || (held >= warn ? "near" : held ? "" : "none")}`} role="img" aria-label=${label}><span style=${{ width: `${held * 100}%` }}></span>${mark != null && html`<i style=${{ left: `${mark * 100}%` }}></i>`}</span>`;
}

export function Code({ text, label, className = "" }) {
  return html`<div class="code">
    <${Copy} text=${text} label=${`Copy ${label.toLowerCase()}`} />
    <pre class=${className} tabindex="0" role="region" aria-label=${label}>${text}</pre>
  </div>`;
}

export const Facts = ({ rows }) =>
  html`<dl class="facts">${rows.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value ?? NONE}</dd></div>`)}</dl>`;
