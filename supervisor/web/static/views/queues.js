// The named queues: what waits, for how long, and holding one.
import { act } from "../api.js";
import { show } from "../dialog.js";
import { count, duration, NONE, percent, rate } from "../format.js";
import { Icon } from "../icons.js";
import { Act, Bar, Empty, Head, Panel, Skeleton } from "../parts.js";
import { useStore } from "../store.js";
import { lookNow, overview } from "../stream.js";
import { Table } from "../table.js";
import { html, useState } from "../ui.js";

export function Queues() {
  const found = useStore(overview);
  if (!found) return html`<${Head} title="Queues" /><${Skeleton} />`;
  const held = Object.values(found.unfinished).reduce((sum, each) => sum + each, 0);
  return html`<${Head} title="Queues" note=${found.limit ? `${count(held)} unfinished tasks of at most ${count(found.limit)}` : ""}>
      <${Act} label="Clear all that waits" icon="trash" path="api/tasks/clear" body=${{}} after=${lookNow} done=${({ count: number }) => `${count(number)} waiting tasks were cancelled.`}
        ask=${{ title: "Cancel every task that waits?", text: "In all queues. What runs is left alone. This cannot be undone at once: each would have to be retried.", word: "clear" }} />
    <//>
    <div class="live"><${Panel} flush><${QueueTable} queues=${found.queues} /><//></div>`;
}

function QueueTable({ queues }) {
  const weights = queues.reduce((sum, queue) => sum + queue.weight, 0);
  const deepest = Math.max(1, ...queues.map((queue) => queue.figures.depth));
  const columns = [
    { key: "name", label: "Queue", cell: (queue) => html`<a class="row-link" href=${`tasks?queue=${encodeURIComponent(queue.name)}`}>${queue.name}</a>${queue.paused && html` <span class="state s-paused"><${Icon} name="pause" />paused</span>`}` },
    { key: "depth", label: "Waiting", num: true, cell: ({ name, figures }) => html`<span class="figure">${count(figures.depth)}</span><${Bar} part=${figures.depth / deepest} label=${`${count(figures.depth)} wait in ${name}`} />` },
    { key: "later", label: "Later", num: true, cell: ({ figures }) => count(figures.delayed) },
    { key: "running", label: "Running", num: true, cell: ({ figures }) => count(figures.running) },
    { key: "oldest", label: "Oldest", num: true, cell: ({ figures }) => duration(figures.oldest_age) },
    { key: "wait", label: "Wait p50 / p95", num: true, cell: ({ figures }) => (figures.wait.count ? `${duration(figures.wait.p50)} / ${duration(figures.wait.p95)}` : NONE) },
    { key: "rate", label: "Rate /s", num: true, cell: ({ figures }) => rate(figures.throughput) },
    { key: "failed", label: "Failed", num: true, cell: ({ figures }) => percent(figures.error_rate) },
    { key: "weight", label: "Weight", num: true, cell: (queue) => html`<${Weight} queue=${queue} all=${weights} />` },
    { key: "acts", label: "Actions", bare: true, cell: (queue) => html`<${Actions} queue=${queue} />` },
  ];
  return html`<${Table} label="Queues" columns=${columns} rows=${[...queues].sort((one, other) => one.name.localeCompare(other.name))} id=${(queue) => queue.name} empty=${html`<${Empty} title="No queue has had a task yet." />`} />`;
}

function Actions({ queue }) {
  const { name, paused, figures } = queue;
  const path = `api/queues/${encodeURIComponent(name)}`;
  return html`<span class="row-acts">
    ${paused ? html`<${Act} label="Resume" icon="play" path=${`${path}/resume`} name=${`Resume queue ${name}`} after=${lookNow} done=${() => `Queue ${name} goes on.`} />` : html`<${Act} label="Pause" icon="pause" path=${`${path}/pause`} name=${`Pause queue ${name}`} after=${lookNow} done=${() => `Queue ${name} is paused, restarts included.`} />`}
    <${Act} label="Clear" icon="trash" only=${true} path="api/tasks/clear" body=${{ queue: name }} name=${`Clear queue ${name}`} after=${lookNow} done=${(answer) => `${count(answer.count)} waiting tasks of ${name} were cancelled.`}
      ask=${{ title: `Cancel what waits in ${name}?`, text: `${count(figures.depth)} tasks wait, ${count(figures.delayed)} are for later. What runs is left alone.`, label: "Cancel them", word: name }} />
  </span>`;
}

function Weight({ queue, all }) {
  const { name, weight } = queue;
  const run = async () => {
    const chosen = await show(`Weight of queue ${name}`, ChooseWeight, { weight });
    return chosen === undefined ? null : act(`api/queues/${encodeURIComponent(name)}/weight`, { weight: chosen });
  };
  return html`<span class="muted" title="of all turns">${percent(weight / all)}</span> <${Act} label=${String(weight)} name=${`Weight of queue ${name}: ${weight}. Change it`} run=${run} after=${lookNow} done=${(answer) => answer && `Queue ${name} has weight ${answer.weight} now.`} />`;
}

function ChooseWeight({ weight, close }) {
  const [text, setText] = useState(String(weight));
  const good = Number(text) > 0 && Number(text) <= 1000;
  const submit = (event) => {
    event.preventDefault();
    if (good) close(Number(text));
  };
  return html`<form onSubmit=${submit}>
    <label class="field"><span>So many turns where a queue of weight 1 has one</span><input type="number" min="0.1" max="1000" step="any" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <footer><button type="button" onClick=${() => close()}>Keep as it is</button><button type="submit" class="primary" aria-disabled=${String(!good)}>Change it</button></footer>
  </form>`;
}
