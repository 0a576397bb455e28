// What a task says, as it says it.
import { get } from "./api.js";
import { clock, exact } from "./format.js";
import { Empty, Panel } from "./parts.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./ui.js";

const MOST = 2000;
const NEAR_END = 30;

function useLines(id) {
  const [found, setFound] = useState({ lines: [], state: "connecting" });
  useEffect(() => {
    let last = -1;
    const source = new EventSource(`api/tasks/${encodeURIComponent(id)}/logs/events`);
    let waiting = [];
    let due = 0;
    const flush = () => {
      due = 0;
      const next = waiting;
      waiting = [];
      setFound((before) => ({ lines: [...before.lines, ...next].slice(-MOST), state: "live" }));
    };
    source.addEventListener("open", () => setFound((before) => ({ ...before, state: "live" })));
    source.addEventListener("line", (event) => {
      const line = JSON.parse(event.data);
      if (line.number <= last) return;
      last = line.number;
      waiting.push(line);
      due ||= requestAnimationFrame(flush);
    });
    source.addEventListener("end", () => {
      source.close();
      if (due) flush();
      setFound((before) => ({ ...before, state: "ended" }));
    });
    source.onerror = () => {
      const closed = source.readyState === EventSource.CLOSED;
      setFound((before) => ({ ...before, state: closed ? "away" : before.state === "live" ? "again" : before.state }));
      if (closed) readOnce(id, setFound);
    };
    return () => {
      source.close();
      cancelAnimationFrame(due);
    };
  }, [id]);
  return found;
}

// Where no stream is to be had, what the journal knows.
function readOnce(id, setFound) {
  get(`api/tasks/${encodeURIComponent(id)}/logs`).then(
    (answer) => setFound({ lines: answer.lines.slice(-MOST), state: answer.ended ? "ended" : "away" }),
    () => setFound((before) => ({ ...before, state: "away" })),
  );
}

const TOLD = { connecting: "connecting", live: "live", again: "broken off, connecting again", away: "not live: by the journal", ended: "complete" };

export function Log({ id, ended }) {
  const { lines, state } = useLines(id);
  const box = useRef(null);
  const [follows, setFollows] = useState(true);
  useLayoutEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follows]);
  const scrolled = () => setFollows(box.current.scrollHeight - box.current.scrollTop - box.current.clientHeight < NEAR_END);
  const said = ended && state === "live" ? "complete" : TOLD[state];
  return html`<${Panel} title="Log" flush note=${html`<span class=${`log-state l-${state}`}>${said}</span>`} actions=${!follows && html`<button type="button" onClick=${() => setFollows(true)}>Follow</button>`}>
    ${lines.length ? html`<div class="log" ref=${box} onScroll=${scrolled} tabindex="0" role="log" aria-live="off" aria-label="What the task says">
      ${lines.length === MOST && html`<p class="note">Only the last ${MOST} lines are shown.</p>`}
      ${lines.map((line) => html`<div key=${line.number} class=${`line v-${line.level}`} title=${line.logger || line.stream || undefined}><time title=${exact(line.at)}>${clock(line.at)}</time><span class="level">${line.level}</span><span class="said-line">${line.message}${extras(line)}</span></div>`)}
    </div>` : html`<${Empty} title=${state === "ended" || ended ? "It said nothing." : "It has said nothing yet."} />`}
  <//>`;
}

function extras({ extra, attempt }) {
  const pairs = Object.entries(extra ?? {});
  return html`${pairs.map(([name, value]) => html`<span key=${name} class="extra">${name}=${typeof value === "string" ? value : JSON.stringify(value)}</span>`)}${attempt > 1 ? html`<span class="extra">attempt ${attempt}</span>` : ""}`;
}
