// What each worker does now, for how long already, and how to look into it or end it.
import { act } from "../api.js";
import { show } from "../dialog.js";
import { bytes, count, NONE } from "../format.js";
import { useNow } from "../clock.js";
import { Limits } from "../limits.js";
import { Act, Bar, Code, Empty, Head, Panel, Skeleton, TaskLink } from "../parts.js";
import { useStore } from "../store.js";
import { fresh, lookNow, overview, workers } from "../stream.js";
import { Table } from "../table.js";
import { html } from "../ui.js";

export function Running() {
  const found = useStore(workers);
  const seen = useStore(overview);
  const { mode } = useStore(fresh);
  const busy = found?.filter((worker) => worker.tasks.length).length;
  const note = found && `${count(busy)} of ${count(found.length)} workers are busy`;
  return html`<${Head} title="Now running" note=${note} />
    <div class="live">${found ? html`<${Panel} flush><${RunningTable} found=${found} /><//>` : mode === "away" || (seen && !seen.live) ? html`<${Empty} title="The supervisor does not answer, so nothing runs that is known here." />` : html`<${Skeleton} lines=${6} />`}</div>`;
}

function RunningTable({ found }) {
  const columns = [
    { key: "worker", label: "Worker", cell: (worker) => html`<span class="worker"><b>${worker.seat + 1}</b> <code>${worker.pid}</code></span>` },
    { key: "task", label: "Task", wide: true, cell: (worker) => html`<${Task} task=${worker.tasks[0]} waiting=${worker.waiting} more=${worker.tasks.length - 1} />` },
    { key: "elapsed", label: "Elapsed of limits", cell: (worker) => html`<${Elapsed} task=${worker.tasks[0]} />` },
    { key: "cpu", label: "CPU", num: true, cell: (worker) => html`<span class="figure">${worker.cpu_percent.toFixed(0)} %</span><${Bar} part=${worker.cpu_percent / 100} label=${`CPU ${worker.cpu_percent.toFixed(0)} %`} />` },
    { key: "rss", label: "Memory", num: true, cell: (worker) => bytes(worker.rss) },
    { key: "cpus", label: "Cores", num: true, minor: true, cell: (worker) => worker.cpus || NONE },
    { key: "acts", label: "Actions", bare: true, cell: (worker) => html`<${Actions} worker=${worker} />` },
  ];
  return html`<${Table} label="Workers and what they run" columns=${columns} rows=${found} id=${(worker) => worker.seat} empty=${html`<${Empty} title="There are no workers." />`} />`;
}

function Task({ task, waiting, more }) {
  if (!task) return html`<span class="idle">idle</span>`;
  return html`<${TaskLink} id=${task.id} name=${task.name} /><span class="under">queue ${task.queue} · attempt ${task.attempt}${waiting ? " · waits for another task" : ""}${more > 0 ? ` · and ${more} more given` : ""}</span>`;
}

function Elapsed({ task }) {
  const now = useNow();
  if (!task || task.elapsed == null) return html`<span class="muted">${NONE}</span>`;
  const { mode } = fresh.value;
  const spent = mode === "live" ? Math.max(task.elapsed, now - task.started_at) : task.elapsed;
  return html`<${Limits} spent=${spent} since=${task.started_at} hard=${task.limit} soft=${task.soft_limit} />`;
}

function Actions({ worker }) {
  const task = worker.tasks[0];
  const dump = async () => {
    const answer = await act(`api/workers/${worker.pid}/stack`);
    show(`Stack of worker ${worker.pid}`, () => html`<${Code} text=${answer.stack} label="Stack" />`, {}, { wide: true });
  };
  return html`<span class="row-acts">
    <${Act} label="Stack" icon="stack" run=${dump} name=${`Stack of worker ${worker.pid}`} />
    ${task &&
    html`<${Act} label="Kill" icon="stop" tone="danger" name=${`Kill the task of worker ${worker.pid}`} path=${`api/workers/${worker.pid}/cancel`} after=${lookNow}
      ask=${{ title: `Kill ${task.name}?`, text: `The task is cancelled, and worker ${worker.pid} is killed where it does not end it by itself. It is not tried again.`, label: "Kill it" }}
      done=${(answer) => [answer.done ? `${task.name} was cancelled.` : `${task.name} had ended already.`, { link: `tasks/${answer.id}` }]} />`}
  </span>`;
}
