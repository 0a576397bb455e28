// The workers, and why others before them died.
import { useApi } from "../data.js";
import { bytes, count, duration, NONE, words } from "../format.js";
import { Icon } from "../icons.js";
import { Act, Ago, Empty, Head, Loaded, Panel, Skeleton, TaskLink } from "../parts.js";
import { withParams } from "../router.js";
import { useStore } from "../store.js";
import { fresh, lookNow, workers } from "../stream.js";
import { Table } from "../table.js";
import { html } from "../ui.js";

export function Workers({ params }) {
  const found = useStore(workers);
  const { mode } = useStore(fresh);
  const cursor = params.get("cursor");
  const past = useApi(`api/workers/history?limit=30${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, { every: 5 });
  return html`<${Head} title="Workers" note="Each has its own process; one that dies is replaced at once">
      <${Act} label="Recycle all" icon="retry" path="api/workers/0/recycle" after=${lookNow} done=${({ pids }) => `${count(pids.length)} workers are replaced, one after the other.`}
        ask=${{ title: "Replace every worker?", text: "One after the other, each after its task. Nothing is lost.", danger: false }} />
    <//>
    <div class="live">${found ? html`<${Panel} title="Now" flush><${WorkerTable} found=${found} /><//>` : mode === "away" ? html`<${Empty} title="The supervisor does not answer, so no workers are known." />` : html`<${Skeleton} />`}</div>
    <${Loaded} from=${past}>${(data) => html`<${Past} data=${data} cursor=${cursor} />`}<//>`;
}

function WorkerTable({ found }) {
  const columns = [
    { key: "worker", label: "Worker", cell: (worker) => html`<span class="worker"><b>${worker.seat + 1}</b> <code>${worker.pid}</code></span>` },
    { key: "state", label: "State", cell: (worker) => html`<span class=${`state ${worker.state === "busy" ? "s-running" : "s-idle"}`}><${Icon} name=${worker.state === "busy" ? "running" : "pause"} />${worker.waiting ? "waits" : worker.state}</span>` },
    { key: "done", label: "Tasks done", num: true, cell: (worker) => count(worker.tasks_done) },
    { key: "cpu", label: "CPU", num: true, cell: (worker) => `${worker.cpu_percent.toFixed(0)} %` },
    { key: "rss", label: "Memory", num: true, cell: (worker) => bytes(worker.rss) },
    { key: "cpus", label: "Cores", num: true, minor: true, cell: (worker) => worker.cpus || NONE },
    { key: "generation", label: "Code generation", num: true, minor: true, cell: (worker) => count(worker.generation) },
    { key: "death", label: "Its predecessor", cell: (worker) => (worker.last_death ? html`died: ${words(worker.last_death)}<span class="under"><${Ago} at=${worker.last_death_at} /></span>` : html`<span class="muted">${NONE}</span>`) },
    { key: "acts", label: "Actions", bare: true, cell: (worker) => html`<span class="row-acts"><${Act} label="Recycle" icon="retry" path=${`api/workers/${worker.pid}/recycle`} name=${`Recycle worker ${worker.pid}`} after=${lookNow} done=${() => `Worker ${worker.pid} is replaced after its task.`} /></span>` },
  ];
  return html`<${Table} label="Workers" columns=${columns} rows=${found} id=${(worker) => worker.seat} empty=${html`<${Empty} title="There are no workers." />`} />`;
}

function Past({ data, cursor }) {
  const counted = [...Object.entries(data.counts).map(([cause, number]) => ["died", words(cause), number]), ...Object.entries(data.recycled).map(([why, number]) => ["recycled", why, number])];
  const columns = [
    { key: "at", label: "When", cell: (death) => html`<${Ago} at=${death.at} />` },
    { key: "pid", label: "Process", num: true, cell: (death) => html`<code>${death.pid}</code>` },
    { key: "cause", label: "Cause", cell: (death) => html`<span class=${`state c-${death.cause}`}><${Icon} name="warning" />${words(death.cause)}</span>` },
    { key: "task", label: "While it ran", wide: true, cell: (death) => html`<${TaskLink} id=${death.task_id} name=${death.task_name} /><span class="under">attempt ${death.attempt}, after ${duration(death.ran_seconds)}</span>` },
    { key: "message", label: "What was seen", wide: true, cell: (death) => html`<span class="clamp">${death.message || NONE}</span>` },
  ];
  return html`<${Panel} title="Why workers died" flush note="while they ran something, by what the journal still knows">
    ${counted.length > 0 && html`<ul class="counts padded">${counted.map(([what, why, number]) => html`<li key=${what + why}>${what}: ${why} <b>${count(number)}</b></li>`)}</ul>`}
    <${Table} label="Workers that died" columns=${columns} rows=${data.deaths} id=${(death) => `${death.task_id}-${death.attempt}`} empty=${html`<${Empty} title=${data.cursor ? "None in what was searched so far." : "No worker has died while it ran a task."} />`} />
    <p class="pager">${cursor && html`<a class="button" href=${withParams({ cursor: null })}>Latest</a>`}${data.cursor && html`<a class="button" href=${withParams({ cursor: data.cursor })}>Older</a>`}</p>
  <//>`;
}
