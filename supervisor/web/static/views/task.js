// One task: where it is, what befell it, what it was given, said and returned.
import { useApi } from "../data.js";
import { useNow } from "../clock.js";
import { clock, count, duration, exact, lastPart, pretty, words } from "../format.js";
import { Icon } from "../icons.js";
import { Limits } from "../limits.js";
import { Act, Ago, Bar, Code, Copy, Empty, ENDED, Facts, Failed, Head, Loaded, Panel, Skeleton, State } from "../parts.js";
import { PriorityAct } from "../priority.js";
import { Attempts, Timeline } from "../task-past.js";
import { Graph } from "../task-graph.js";
import { Log } from "../task-log.js";
import { TaskAct } from "./tasks.js";
import { useStore } from "../store.js";
import { workers } from "../stream.js";
import { html, useEffect, useState } from "../ui.js";

export function Task({ id }) {
  const [every, setEvery] = useState(1);
  const found = useApi(`api/tasks/${encodeURIComponent(id)}`, { every });
  const state = found.data?.task.state;
  useEffect(() => setEvery(!state || ENDED.has(state) ? 5 : 1), [state]);
  if (!found.data) {
    if (!found.error) return html`<${Head} title="Task" /><${Skeleton} lines=${8} />`;
    return html`<${Head} title="Task" />${found.error.status === 404 ? html`<${Empty} title="There is no such task.">It may have been dropped, or kept for as long as the journal keeps tasks.<//>` : html`<${Failed} error=${found.error} again=${found.reload} />`}`;
  }
  return html`<${Loaded} from=${found}>${(data) => html`<${Whole} data=${data} reload=${found.reload} />`}<//>`;
}

function Whole({ data, reload }) {
  const { task } = data;
  useEffect(() => {
    // The heading that had the focus while this was read is gone.
    if (document.activeElement === document.body) document.querySelector("#view-title").focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = `${task.name} · ${document.title.split(" · ").slice(1).join(" · ")}`;
  }, [task.name]);
  return html`<header class="view-head task-head"><div class="grow">
      <p class="crumbs"><a href="tasks">Tasks</a> / <a href=${`tasks?name=${encodeURIComponent(task.name)}`}>${task.name}</a></p>
      <h1 tabindex="-1" id="view-title">${task.name} <${State} state=${task.state} /></h1>
      <p class="id"><code>${task.id}</code><${Copy} text=${task.id} label="Copy id" /></p>
    </div>
    <div class="actions">${!ENDED.has(task.state) && html`<${PriorityAct} task=${task} after=${reload} />`}<${TaskAct} task=${task} after=${reload} /></div></header>
    ${data.live === false && html`<p class="notice"><${Icon} name="warning" />This is by the journal: the supervisor does not answer.</p>`}
    ${task.error && ENDED.has(task.state) && html`<${Fault} task=${task} />`}
    ${task.progress && html`<${Progress} task=${task} />`}
    <${Graph} id=${task.id} state=${task.state} />
    <div class="two">
      <div class="stack">
        <${Log} id=${task.id} ended=${ENDED.has(task.state)} />
        <${Values} data=${data} />
        <${Attempts} attempts=${data.attempts} />
      </div>
      <div class="stack">
        <${Panel} title="Facts"><${TaskFacts} task=${task} /><//>
        <${Panel} title="Timeline"><${Timeline} events=${data.timeline} /><//>
      </div>
    </div>`;
}

function Fault({ task }) {
  return html`<section class="fault" aria-label="Error"><${Icon} name="fault" /><div class="grow"><strong title=${task.error.type}>${lastPart(task.error.type ?? "") || words(task.cause ?? "failed")}</strong> ${task.error.message}</div></section>`;
}

function Progress({ task }) {
  const { percent, done, total, message, rate, remaining, estimated_at: estimated, updated_at: updated } = task.progress;
  const running = task.state === "running";
  const how = total == null ? count(done) : `${count(done)} of ${count(total)}`;
  return html`<${Panel} title="Progress" note=${message} className="progress-panel">
    <div class="progress"><b>${percent == null ? how : `${percent.toFixed(0)} %`}</b><${Bar} part=${(percent ?? 0) / 100} label=${`${how} done`} tone=${running ? "" : "still"} /></div>
    <p class="note">${how}${rate ? ` · ${rate < 10 ? rate.toFixed(1) : count(rate)} a second` : ""}${running && remaining != null ? html` · <b>${duration(Math.round(remaining))} left</b>` : ""}${running && estimated != null ? html` · done about <time title=${exact(estimated)}>${clock(estimated)}</time>` : ""}${updated != null ? html` · told <${Ago} at=${updated} />` : ""}</p>
  <//>`;
}

function TaskFacts({ task }) {
  const started = task.started_at;
  const waited = started && started - Math.max(task.created_at, task.due_at && task.due_at <= started ? task.due_at : 0);
  return html`<${Facts} rows=${[
    ["Submitted", html`<${Ago} at=${task.created_at} />`],
    task.due_at != null && !ENDED.has(task.state) && ["Due", html`<${Ago} at=${task.due_at} />`],
    started != null && ["Started", html`<${Ago} at=${started} />`],
    task.ended_at != null && ["Ended", html`<${Ago} at=${task.ended_at} />`],
    started != null && ["Waited", duration(Math.max(0, waited))],
    started != null && ["Ran", html`<${Ran} task=${task} />`],
    ["Attempts", count(task.attempt)],
    task.retried > 0 && ["Taken up again", count(task.retried)],
    ["Priority", String(task.priority)],
    task.timeout != null && ["Hard limit", duration(task.timeout)],
    task.soft_timeout != null && ["Soft limit", duration(task.soft_timeout)],
    task.worker != null && ["Process", html`<code>${task.worker}</code>`],
    task.cause && ["Cause", words(task.cause)],
  ]} />`;
}

function Ran({ task }) {
  const now = useNow();
  const { started_at: started } = task;
  const spent = Math.max(0, (task.ended_at ?? now) - started);
  const found = useStore(workers);
  if (task.ended_at != null) return duration(spent);
  // Its worker knows the limits in force, also those that are settings; the record only what was chosen for it.
  const active = found?.flatMap((worker) => worker.tasks).find((each) => each.id === task.id);
  const hard = active ? active.limit : task.timeout;
  if (!active && hard == null) return duration(Math.floor(spent));
  return html`<${Limits} spent=${spent} shown=${Math.floor(spent)} since=${started} hard=${hard} soft=${active ? active.soft_limit : task.soft_timeout} />`;
}

function Values({ data }) {
  const { task, result } = data;
  const told = result.note || (result.present ? "" : task.state === "succeeded" ? "It is not kept." : "There is none yet.");
  return html`<${Panel} title="Arguments">${data.arguments_note ? html`<p class="note">They are not shown: ${data.arguments_note}.</p>` : html`<${Code} text=${pretty(data.arguments)} label="Arguments" />`}<//>
    ${(result.present || ENDED.has(task.state)) && task.state === "succeeded" && html`<${Panel} title="Result">${told ? html`<p class="note">${told}</p>` : html`<${Code} text=${result.text || pretty(result.value)} label="Result" />`}<//>`}
    ${Object.keys(task.context).length > 0 && html`<${Panel} title="Context"><${Code} text=${pretty(task.context)} label="Context" /><//>`}`;
}
