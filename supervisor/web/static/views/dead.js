// Dead letters: tasks that ended failed, timed out or lost; to be retried, or dropped for good.
import { act } from "../api.js";
import { useApi, useWhenTasksMove } from "../data.js";
import { count, lastPart, words } from "../format.js";
import { Chosen, TextFilter, TimeFilter, useKnown } from "../filters.js";
import { Pager } from "../pager.js";
import { Act, Ago, Empty, Head, Id, Loaded, Panel, State, TaskLink } from "../parts.js";
import { Table } from "../table.js";
import { html } from "../ui.js";

const FILTERS = ["name", "since", "until"];

function queryOf(params) {
  const query = new URLSearchParams({ limit: "50" });
  for (const name of [...FILTERS, "cursor"]) if (params.get(name)) query.set(name, params.get(name));
  return query;
}

export function Dead({ params }) {
  const found = useApi(`api/dead?${queryOf(params)}`, { every: 10 });
  useWhenTasksMove(found.reload);
  const { names } = useKnown();
  return html`<${Head} title="Dead letters" note="Tasks that failed, timed out or were lost, with no attempts left"><${AllButtons} params=${params} reload=${found.reload} /><//>
    <section class="filters" aria-label="Filters"><div class="fields">
      <${TextFilter} params=${params} name="name" label="Task name" placeholder="shop.mail or shop.*" options=${names} />
      <${TimeFilter} params=${params} label="Ended in" />
      <${Chosen} params=${params} names=${FILTERS} shown=${["name", "since"]} />
    </div></section>
    <${Loaded} from=${found} lines=${10}>${(data) => html`<${Panel} flush>
      <${DeadTable} letters=${data.tasks} reload=${found.reload} empty=${html`<${Empty} title=${data.cursor ? "None in what was searched so far." : "No dead letters."}>${data.cursor ? "There is more to search." : "Nothing has failed for good."}<//>`} />
      ${(data.tasks.length > 0 || data.cursor) && html`<${Pager} data=${data} shown=${data.tasks.length} params=${params} what="dead letters that match" />`}
    <//>`}<//>`;
}

function AllButtons({ params, reload }) {
  const number = (name) => (params.get(name) ? Number(params.get(name)) : null);
  const which = { name: params.get("name") || null, since: number("since"), until: number("until") };
  const all = Object.values(which).every((each) => each === null);
  const those = all ? "every dead letter there is" : "each that matches the filters";
  return html`<${Act} label=${all ? "Retry all" : "Retry all matching"} icon="retry" path="api/dead/retry" body=${which} after=${reload} done=${(answer) => `${count(answer.count)} were taken up again.`}
      ask=${{ title: "Retry dead letters?", text: `That is ${those}.`, word: "retry", danger: false }} />
    <${Act} label=${all ? "Drop all" : "Drop all matching"} icon="trash" tone="danger" path="api/dead/drop" body=${which} after=${reload} done=${(answer) => `${count(answer.count)} were dropped.`}
      ask=${{ title: "Drop dead letters for good?", text: `That is ${those}, with all that is known of the tasks. This cannot be undone.`, word: "drop" }} />`;
}

function DeadTable({ letters, reload, empty }) {
  const columns = [
    { key: "state", label: "State", cell: (task) => html`<${State} state=${task.state} />` },
    { key: "name", label: "Task", wide: true, cell: (task) => html`<span class="named"><${TaskLink} id=${task.id} name=${task.name} /><${Id} id=${task.id} /></span>` },
    { key: "error", label: "Error", wide: true, cell: (task) => html`<span class="clamp"><b title=${task.error_type}>${lastPart(task.error_type ?? "") || words(task.cause ?? "")}</b>${task.error_message && ` ${task.error_message}`}</span>` },
    { key: "queue", label: "Queue", minor: true, cell: (task) => task.queue },
    { key: "attempts", label: "Attempts", num: true, cell: (task) => count(task.attempts) },
    { key: "ended", label: "Ended", num: true, cell: (task) => html`<${Ago} at=${task.ended_at} />` },
    { key: "acts", label: "Actions", bare: true, cell: (task) => html`<${Actions} task=${task} reload=${reload} />` },
  ];
  return html`<${Table} label="Dead letters" columns=${columns} rows=${letters} id=${(task) => task.id} empty=${empty} />`;
}

function Actions({ task, reload }) {
  const name = `${task.name} ${task.id.slice(-4)}`;
  return html`<span class="row-acts">
    <${Act} label="Retry" icon="retry" only=${true} name=${`Retry ${name}`} run=${() => act(`api/dead/${task.id}/retry`)} after=${reload} done=${() => [`${task.name} is taken up again.`, { link: `tasks/${task.id}` }]} />
    <${Act} label="Drop" icon="trash" only=${true} name=${`Drop ${name}`} path=${`api/dead/${task.id}/drop`} after=${reload} done=${() => `${task.name} was dropped.`}
      ask=${{ title: `Drop ${task.name} for good?`, text: "All that is known of the task is deleted. This cannot be undone.", label: "Drop it" }} />
  </span>`;
}
