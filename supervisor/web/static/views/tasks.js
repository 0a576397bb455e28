// Tasks, found by what the URL says, the latest first; and what is done to all of them that match.
import { bulk } from "../bulk.js";
import { useApi, useWhenTasksMove } from "../data.js";
import { count, duration, NONE, words } from "../format.js";
import { Chosen, SelectFilter, TextFilter, TimeFilter, useKnown } from "../filters.js";
import { Icon } from "../icons.js";
import { Pager } from "../pager.js";
import { Act, Ago, Empty, ENDED, Head, Id, Loaded, Panel, State, STATES, TaskLink, useObstacle } from "../parts.js";
import { withParams } from "../router.js";
import { useStore } from "../store.js";
import { overview } from "../stream.js";
import { Table } from "../table.js";
import { toast } from "../toast.js";
import { html } from "../ui.js";

const FILTERS = ["search", "state", "queue", "name", "since", "until", "parent"];

function queryOf(params) {
  const query = new URLSearchParams({ limit: "50" });
  for (const name of [...FILTERS, "cursor"]) for (const value of params.getAll(name)) query.append(name, value);
  return query;
}

function filterOf(params) {
  const number = (name) => (params.get(name) ? Number(params.get(name)) : null);
  const text = (name) => params.get(name) ?? "";
  return { state: params.getAll("state"), queue: text("queue"), name: text("name"), search: text("search"), since: number("since"), until: number("until"), parent: params.get("parent") };
}

export function Tasks({ params }) {
  const found = useApi(`api/tasks?${queryOf(params)}`, { every: 10 });
  useWhenTasksMove(found.reload);
  return html`<${Head} title="Tasks" note="All that the journal still knows, the latest first"><${BulkButtons} params=${params} reload=${found.reload} /><//>
    <${Filters} params=${params} />
    <${Loaded} from=${found} lines=${10}>${(data) => html`<${Panel} flush>
      <${TaskTable} tasks=${data.tasks} reload=${found.reload} empty=${html`<${Empty} title=${data.cursor ? "None in what was searched so far." : "No task matches."}>${data.cursor ? "There is more to search." : "Loosen the filters, or submit one."}<//>`} />
      <${Pager} data=${data} shown=${data.tasks.length} params=${params} what="tasks that match" />
    <//>`}<//>`;
}

function Filters({ params }) {
  const { queues, names } = useKnown();
  return html`<section class="filters" aria-label="Filters">
    <${StateChips} params=${params} />
    <div class="fields">
      <${TextFilter} params=${params} name="name" label="Task name" placeholder="shop.mail or shop.*" options=${names} />
      <${SelectFilter} params=${params} name="queue" label="Queue" options=${[["", "every queue"], ...queues.map((each) => [each, each])]} />
      <${TimeFilter} params=${params} />
      <${Chosen} params=${params} names=${FILTERS} shown=${["state", "queue", "name", "since"]} />
    </div>
  </section>`;
}

function StateChips({ params }) {
  const chosen = params.getAll("state");
  const found = useStore(overview);
  const numbers = found?.live ? { ...found.unfinished, ...found.total.ended } : {};
  return html`<ul class="chips" aria-label="States">${STATES.map((state) => {
    const on = chosen.includes(state);
    const next = on ? chosen.filter((each) => each !== state) : [...chosen, state];
    return html`<li key=${state}><a class=${`chip s-${state} ${on ? "on" : ""}`} href=${withParams({ state: next, cursor: null }, params)} aria-current=${on ? "true" : undefined}><${Icon} name=${state} />${words(state)}${numbers[state] > 0 && html`<span class="chip-count">${count(numbers[state])}</span>`}</a></li>`;
  })}</ul>`;
}

function BulkButtons({ params, reload }) {
  const obstacle = useObstacle();
  const filter = filterOf(params);
  const empty = !FILTERS.some((name) => params.get(name));
  const why = obstacle || (empty ? "Choose a filter first: all tasks there are is too much" : "");
  const start = (kind) => () => (why ? toast(`${why}.`, { bad: true }) : bulk(kind, filter, reload));
  return ["retry", "cancel"].map((kind) => html`<button key=${kind} type="button" aria-disabled=${String(Boolean(why))} title=${why || undefined} onClick=${start(kind)}><${Icon} name=${kind === "retry" ? "retry" : "stop"} /><span>${kind === "retry" ? "Retry" : "Cancel"} all matching…</span></button>`);
}

export function TaskTable({ tasks, reload, empty }) {
  const columns = [
    { key: "state", label: "State", cell: (task) => html`<${State} state=${task.state} />` },
    { key: "name", label: "Task", wide: true, cell: (task) => html`<span class="named"><${TaskLink} id=${task.id} name=${task.name} /><${Id} id=${task.id} /></span>` },
    { key: "queue", label: "Queue", cell: (task) => html`<a class="quiet" href=${withParams({ queue: task.queue, cursor: null })}>${task.queue}</a>${task.priority ? html`<span class="under">priority ${task.priority}</span>` : ""}` },
    { key: "attempts", label: "Failures", num: true, cell: (task) => (task.attempts ? count(task.attempts) : NONE) },
    { key: "created", label: "Submitted", num: true, cell: (task) => html`<${Ago} at=${task.created_at} />` },
    { key: "waited", label: "Waited", num: true, minor: true, cell: (task) => (task.started_at ? duration(Math.max(0, task.started_at - Math.max(task.created_at, task.due_at ?? 0))) : NONE) },
    { key: "ran", label: "Ran", num: true, cell: (task) => (task.started_at && task.ended_at ? duration(task.ended_at - task.started_at) : NONE) },
    { key: "acts", label: "Actions", bare: true, cell: (task) => html`<span class="row-acts"><${TaskAct} task=${task} after=${reload} only=${true} /></span>` },
  ];
  return html`<${Table} label="Tasks" columns=${columns} rows=${tasks} id=${(task) => task.id} empty=${empty} />`;
}

// Retries what has ended, cancels what has not.
export function TaskAct({ task, after, only = false }) {
  const name = `${task.name} ${task.id.slice(-4)}`;
  if (ENDED.has(task.state)) return html`<${Act} key="retry" label="Retry" icon="retry" only=${only} path=${`api/tasks/${task.id}/retry`} name=${only ? `Retry ${name}` : ""} after=${after} done=${({ done }) => (done ? `${task.name} is taken up again.` : [`${task.name} has not ended.`, { bad: true }])} />`;
  const running = task.state === "running";
  return html`<${Act} key="cancel" label="Cancel" icon="stop" only=${only} tone=${only ? "" : "danger"} path=${`api/tasks/${task.id}/cancel`} name=${only ? `Cancel ${name}` : ""} after=${after}
    ask=${{ title: `Cancel ${task.name}?`, text: running ? "It runs: it is stopped, killed where it does not end by itself. It is not tried again." : "It waits, and will not run.", label: "Cancel it" }}
    done=${({ done }) => (done ? `${task.name} was cancelled.` : [`${task.name} had ended already.`, { bad: true }])} />`;
}
