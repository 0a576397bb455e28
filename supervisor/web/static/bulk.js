// What is done to all tasks that match: counted first, typed to confirm, done in steps that can be stopped.
import { act, get } from "./api.js";
import { show } from "./dialog.js";
import { count, plural } from "./format.js";
import { ENDED, STATES } from "./parts.js";
import { toast } from "./toast.js";
import { html, useEffect, useRef, useState } from "./ui.js";

const MOST_COUNTED = 5000;
const KINDS = {
  retry: { label: "Retry", past: "retried", applies: (state) => ENDED.has(state), why: "Those that have not ended are passed over." },
  cancel: { label: "Cancel", past: "cancelled", applies: (state) => !ENDED.has(state), why: "Those that have ended are passed over. What runs is stopped." },
};

export async function bulk(kind, filter, after) {
  const { label, applies } = KINDS[kind];
  const chosen = filter.state.length ? filter.state : STATES;
  const states = chosen.filter(applies);
  if (!states.length) return toast(`Nothing to ${kind}: tasks that are ${filter.state.join(" or ")} cannot be.`, { bad: true });
  await show(`${label} all that match`, Bulk, { kind, filter: { ...filter, state: states } });
  return after();
}

function queryOf(filter, cursor) {
  const query = new URLSearchParams({ limit: "500" });
  for (const state of filter.state) query.append("state", state);
  for (const [name, value] of Object.entries(filter)) if (name !== "state" && value) query.set(name, value);
  if (cursor) query.set("cursor", cursor);
  return query;
}

function useCount(filter) {
  const [found, setFound] = useState({ number: 0, done: false, error: "" });
  useEffect(() => {
    const abort = new AbortController();
    (async () => {
      let number = 0;
      let cursor = null;
      do {
        const page = await get(`api/tasks?${queryOf(filter, cursor)}`, abort.signal);
        number += page.tasks.length;
        cursor = page.cursor;
        setFound({ number, done: !cursor, error: "" });
      } while (cursor && number < MOST_COUNTED);
      setFound({ number, done: true, more: Boolean(cursor), error: "" });
    })().catch((error) => error.name === "AbortError" || setFound({ number: 0, done: true, error: error.message }));
    return () => abort.abort();
  }, []);
  return found;
}

function Bulk({ kind, filter, close }) {
  const { label, past, why } = KINDS[kind];
  const counted = useCount(filter);
  const [typed, setTyped] = useState("");
  const [work, setWork] = useState(null);
  const stopped = useRef(false);
  useEffect(() => () => { stopped.current = true; }, []);
  const run = async () => {
    const total = { done: 0, refused: [] };
    setWork(total);
    try {
      let cursor = null;
      do {
        const answer = await act(`api/tasks/${kind}`, { filter, cursor });
        total.done += answer.done;
        total.refused.push(...answer.refused);
        cursor = answer.cursor;
        setWork({ ...total });
      } while (cursor && !stopped.current);
      toast(`${plural(total.done, "task was", "tasks were")} ${past}.${total.refused.length ? ` ${count(total.refused.length)} refused: ${total.refused[0].reason}` : ""}`, { bad: total.refused.length > 0 });
    } catch (error) {
      toast(`${error.message} (${count(total.done)} were ${past} before)`, { bad: true });
    }
    close();
  };
  const ready = counted.done && counted.number > 0 && typed.trim() === kind;
  const submit = (event) => {
    event.preventDefault();
    if (ready && !work) run();
  };
  return html`<form onSubmit=${submit}>
    <p class="bulk-count" aria-live="polite">${counted.error || html`<b>${counted.more ? "More than " : ""}${count(counted.number)}</b> ${counted.number === 1 ? "task matches" : "tasks match"}${counted.done ? "." : " so far…"}`}</p>
    <p class="note">${why}</p>
    <ul class="counts">${Object.entries(filter).filter(([, value]) => value?.length || typeof value === "number").map(([name, value]) => html`<li key=${name}>${name} <b>${Array.isArray(value) ? value.join(", ") : value}</b></li>`)}</ul>
    ${work ? html`<p role="status"><b>${count(work.done)}</b> ${past} so far…</p>` : html`<label class="field"><span>Type <code>${kind}</code> to confirm</span><input autocomplete="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)} /></label>`}
    <footer><button type="button" onClick=${() => close()}>${work ? "Stop" : "Keep as they are"}</button>
      ${!work && html`<button type="submit" class=${kind === "cancel" ? "danger" : "primary"} aria-disabled=${String(!ready)}>${label} ${count(counted.number)}</button>`}</footer>
  </form>`;
}
