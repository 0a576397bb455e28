// What befell a task: its timeline, and each attempt with why it ended.
import { clock, duration, exact, lastPart, pretty, words } from "./format.js";
import { Icon } from "./icons.js";
import { Code, Panel } from "./parts.js";
import { html } from "./ui.js";

const TONES = { submitted: "queued", started: "running", running: "running", due: "scheduled" };

export function Timeline({ events }) {
  return html`<ol class="timeline">${events.map((event, index) => {
    const tone = TONES[event.event] ?? (event.event === "ended" ? event.text : /^returned/.test(event.text) ? "succeeded" : "failed");
    const before = events[index - 1];
    const gap = before ? event.at - before.at : 0;
    return html`<li key=${`${event.event}-${event.attempt}-${index}`} class=${`s-${tone}`}>
      <span class="mark"><${Icon} name=${tone} /></span>
      <span class="grow">${words(event.text)}</span>
      <time title=${exact(event.at)}>${clock(event.at)}${gap > 0.0005 && html`<small>+${duration(gap)}</small>`}</time>
    </li>`;
  })}</ol>`;
}

export function Attempts({ attempts }) {
  if (!attempts.length) return null;
  const latest = [...attempts].reverse();
  return html`<${Panel} title="Attempts" note=${String(attempts.length)} flush>${latest.map((attempt, index) => html`<${Attempt} key=${`${attempt.number}-${attempt.started_at}`} attempt=${attempt} open=${index === 0 && Boolean(attempt.error)} />`)}<//>`;
}

function Attempt({ attempt, open }) {
  const { number, cause, error, output, profile } = attempt;
  const tone = cause ? (cause === "cancelled" ? "cancelled" : "failed") : "succeeded";
  return html`<details class="attempt" open=${open}>
    <summary><span class=${`state s-${tone}`}><${Icon} name=${tone} />${cause ? words(cause) : "returned"}</span>
      <b>${number ? `Attempt ${number}` : "Not counted"}</b>
      <span class="grow ellipsis">${error ? `${error.type ? `${lastPart(error.type)}: ` : ""}${error.message}` : ""}</span>
      <span class="note">${duration(Math.max(0, attempt.ended_at - attempt.started_at))}${attempt.worker ? ` · process ${attempt.worker}` : ""}</span></summary>
    <div class="attempt-body">
      ${error?.traceback && html`<h3>Traceback</h3><${Code} text=${error.traceback} label=${`Traceback of attempt ${number}`} className="traceback" />`}
      ${error?.stack && html`<h3>Where it was when it was killed</h3><${Code} text=${error.stack} label=${`Stack of attempt ${number}`} className="traceback" />`}
      ${output && html`<h3>What it printed last</h3><${Code} text=${output} label=${`Output of attempt ${number}`} />`}
      ${profile && html`<h3>Profile</h3><${Code} text=${pretty(profile)} label=${`Profile of attempt ${number}`} />`}
      ${!error?.traceback && !error?.stack && !output && !profile && html`<p class="note">Nothing more is known of it${error ? html`: ${error.message}` : ""}.</p>`}
    </div>
  </details>`;
}
