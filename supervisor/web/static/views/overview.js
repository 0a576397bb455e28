// How all of it does, at a glance: what is wrong, how much is done, how long tasks wait.
import { alertsOf, causesOf } from "../alerts.js";
import { Chart } from "../chart.js";
import { useNow } from "../clock.js";
import { useApi } from "../data.js";
import { bytes, count, duration, percent, plural, rate, words } from "../format.js";
import { points, rates, spanOf } from "../history.js";
import { Icon } from "../icons.js";
import { Bar, Empty, Facts, Head, Panel, Skeleton, State, STATES } from "../parts.js";
import { useStore } from "../store.js";
import { fresh, overview } from "../stream.js";
import { Table } from "../table.js";
import { html } from "../ui.js";

export function Overview() {
  const found = useStore(overview);
  if (!found) return html`<${Head} title="Overview" /><${Skeleton} lines=${8} />`;
  if (!found.live) return html`<${Head} title="Overview" /><${WithoutSupervisor} found=${found} />`;
  return html`<${Head} title="Overview" note=${`Up for ${duration(Math.floor(found.uptime))} · durability ${found.durability}`} />
    <${Alerts} found=${found} />
    <div class="live">
      <${Tiles} found=${found} />
      <${Charts} />
      <${Panel} title="Latency by queue" flush note="wait: from ready to handed to a worker, last hour or two"><${QueueTable} queues=${found.queues} /><//>
      <div class="two">
        <${Panel} title="Task types" flush note="the busiest"><${TypeTable} tasks=${found.tasks} /><//>
        <div class="stack"><${Outcomes} total=${found.total} /><${Restarts} restarts=${found.restarts} /></div>
      </div>
    </div>`;
}

function WithoutSupervisor({ found }) {
  const states = Object.entries(found.unfinished);
  return html`<${Panel} title="By the journal">
    ${states.length ? html`<${Facts} rows=${states.map(([state, number]) => [words(state), html`<a href=${`tasks?state=${state}`}>${count(number)}</a>`])} />` : html`<${Empty} title="No unfinished tasks are known." />`}
  <//>`;
}

function Alerts({ found }) {
  const now = useNow();
  const { mode } = useStore(fresh);
  const schedules = useApi("api/schedules", { every: 30 });
  if (mode !== "live") return null;
  const alerts = alertsOf(found, schedules.data?.schedules, now);
  if (!alerts.length) return html`<p class="all-well"><${Icon} name="check" />Nothing is wrong now.</p>`;
  return html`<section class="alerts" aria-label="What is wrong now"><ul>
    ${alerts.slice(0, 6).map((alert) => html`<li key=${alert.text.replace(/\d/g, "")} class=${`alert a-${alert.level}`}><${Icon} name=${alert.level} /><span class="hidden">${alert.level}:</span><a href=${alert.link}>${alert.text}</a></li>`)}
    ${alerts.length > 6 && html`<li key="more" class="alert">and ${plural(alerts.length - 6, "more", "more")}</li>`}
  </ul></section>`;
}

function Tile({ title, value, unit, note, href, tone = "", children }) {
  return html`<a class=${`tile ${tone}`} href=${href}><span class="tile-title">${title}</span>
    <span class="tile-value">${value}${unit && html` <small>${unit}</small>`}</span>
    ${children}<span class="tile-note">${note}</span></a>`;
}

function Tiles({ found }) {
  const { total, workers, processes, unfinished } = found;
  const later = (unfinished.scheduled ?? 0) + (unfinished.retrying ?? 0);
  return html`<div class="tiles">
    <${Tile} title="Throughput" value=${rate(total.throughput)} unit="/s" note=${`${count(total.last_minute)} in the last minute`} href="tasks?state=succeeded" />
    <${Tile} title="Waiting" value=${count(total.depth)} note=${total.oldest_age == null ? `${count(later)} for later` : `oldest ${duration(total.oldest_age)} · ${count(later)} for later`} href="tasks?state=queued" />
    <${Tile} title="Wait, p95" value=${duration(total.wait.p95)} note=${`p99 ${duration(total.wait.p99)}`} href="queues" />
    <${Tile} title="Workers busy" value=${workers.busy} unit=${`of ${workers.total}`} note=${`${percent(workers.saturation)} now · peak ${count(workers.peak)}`} href="running"><${Bar} part=${workers.saturation} label=${`${percent(workers.saturation)} of workers are busy`} warn=${1} /><//>
    <${Tile} title="Failed" value=${count(total.failed)} tone=${total.error_rate > 0.05 ? "bad" : ""} note=${`${percent(total.error_rate)} of all that ended`} href="dead" />
    <${Tile} title="Memory" value=${bytes(processes.rss)} note=${`${count(processes.count)} processes · CPU ${count(processes.cpu_percent)} %`} href="workers" />
  </div>`;
}

function Charts() {
  const now = useNow();
  const seen = useStore(points);
  const span = spanOf(seen, now);
  const level = (name) => seen.map((point) => ({ at: point.at, value: point[name] }));
  return html`<div class="two even">
    <${Panel} title="Throughput"><${Chart} label="Tasks that ended each second" now=${now} span=${span} unit="tasks a second" format=${rate} series=${[
      { name: "succeeded", tone: "good", kind: "columns", values: rates(seen, "ok") },
      { name: "failed", tone: "bad", kind: "columns", values: rates(seen, "bad") },
    ]} /><//>
    <${Panel} title="Backlog"><${Chart} label="Tasks that wait and that run" now=${now} span=${span} unit="tasks" whole format=${(value) => (Number.isInteger(value) ? count(value) : value.toFixed(1))} series=${[
      { name: "waiting", tone: "accent", kind: "line", values: level("depth") },
      { name: "running", tone: "second", kind: "line", values: level("running") },
    ]} /><//>
  </div>`;
}

function QueueTable({ queues }) {
  const columns = [
    { key: "name", label: "Queue", cell: (queue) => html`<a class="row-link" href=${`tasks?queue=${encodeURIComponent(queue.name)}`}>${queue.name}</a>${queue.paused && html` <span class="state s-paused"><${Icon} name="pause" />paused</span>`}` },
    { key: "depth", label: "Waiting", num: true, cell: ({ figures }) => count(figures.depth) },
    { key: "oldest", label: "Oldest", num: true, cell: ({ figures }) => duration(figures.oldest_age) },
    { key: "p50", label: "Wait p50", num: true, cell: ({ figures }) => duration(figures.wait.p50) },
    { key: "p95", label: "Wait p95", num: true, cell: ({ figures }) => duration(figures.wait.p95) },
    { key: "p99", label: "Wait p99", num: true, minor: true, cell: ({ figures }) => duration(figures.wait.p99) },
    { key: "rate", label: "Rate /s", num: true, cell: ({ figures }) => rate(figures.throughput) },
    { key: "failed", label: "Failed", num: true, cell: ({ figures }) => percent(figures.error_rate) },
  ];
  return html`<${Table} label="Latency by queue" columns=${columns} rows=${byName(queues)} id=${(queue) => queue.name} empty=${html`<${Empty} title="No queue has had a task yet." />`} />`;
}

const byName = (named) => [...named].sort((one, other) => one.name.localeCompare(other.name));

function TypeTable({ tasks }) {
  const busiest = [...tasks].sort((one, other) => other.figures.executed - one.figures.executed || one.name.localeCompare(other.name)).slice(0, 12);
  const columns = [
    { key: "name", label: "Task", wide: true, cell: (task) => html`<a class="row-link" href=${`tasks?name=${encodeURIComponent(task.name)}`}>${task.name}</a>` },
    { key: "done", label: "Attempts", num: true, cell: ({ figures }) => count(figures.executed) },
    { key: "minute", label: "Last min", num: true, cell: ({ figures }) => count(figures.last_minute) },
    { key: "p50", label: "Run p50", num: true, cell: ({ figures }) => duration(figures.run.p50) },
    { key: "p95", label: "Run p95", num: true, cell: ({ figures }) => duration(figures.run.p95) },
    { key: "failed", label: "Failed", num: true, cell: ({ figures }) => percent(figures.error_rate) },
  ];
  return html`<${Table} label="Task types" columns=${columns} rows=${busiest} id=${(task) => task.name} empty=${html`<${Empty} title="No task has been submitted yet." />`} />`;
}

function Outcomes({ total }) {
  const ended = STATES.filter((state) => total.ended[state]).map((state) => ({ state, number: total.ended[state] }));
  const all = ended.reduce((sum, each) => sum + each.number, 0);
  return html`<${Panel} title="Outcomes" note=${plural(all, "task")}>
    ${!all && html`<${Empty} title="Nothing has ended yet." />`}
    <ul class="shares">${ended.map(({ state, number }) => html`<li key=${state}><a href=${`tasks?state=${state}`}><${State} state=${state} /></a><${Bar} part=${number / all} tone=${`s-${state}`} label=${percent(number / all)} /><span class="num">${count(number)}</span></li>`)}</ul>
    ${Object.keys(total.causes).length > 0 && html`<h3>Attempts that failed, by cause</h3><ul class="counts">${causesOf(total.causes).map(({ name, number }) => html`<li key=${name}>${name} <b>${count(number)}</b></li>`)}</ul>`}
  <//>`;
}

function Restarts({ restarts }) {
  const rows = [...causesOf(restarts.deaths).map((each) => ({ ...each, what: "died" })), ...causesOf(restarts.recycled).map((each) => ({ ...each, what: "recycled" }))];
  return html`<${Panel} title="Restarts" note="since it started" actions=${html`<a href="workers">Why each died</a>`}>
    <ul class="counts">
      <li>broker restarts <b>${count(restarts.broker)}</b></li>
      ${rows.map(({ name, number, what }) => html`<li key=${what + name}>workers ${what}: ${name} <b>${count(number)}</b></li>`)}
      ${!rows.length && html`<li>workers replaced <b>0</b></li>`}
    </ul>
  <//>`;
}
