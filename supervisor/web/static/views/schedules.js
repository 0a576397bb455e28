// What runs by the clock.
import { useApi } from "../data.js";
import { useNow } from "../clock.js";
import { coarse, count, duration, words } from "../format.js";
import { Icon } from "../icons.js";
import { Act, Ago, Empty, Head, Loaded, Panel, TaskLink } from "../parts.js";
import { Table } from "../table.js";
import { html } from "../ui.js";

const LATE_SECONDS = 10;
const RECENT_SECONDS = 86400;
const WHY = {
  away: ["no supervisor ran", "No supervisor ran, the machine was too busy, or the clock was set forward"],
  held: ["no room", "Its queue was full, or took no tasks"],
  overlap: ["overlap", "A task of an earlier slot had not ended"],
  refused: ["refused", "Its task was refused: its function is no longer registered, say"],
};

export function Schedules() {
  const found = useApi("api/schedules", { every: 5 });
  return html`<${Head} title="Schedules" note="Times are of your clock; each fires by its own zone" />
    <${Loaded} from=${found}>${(data) => html`<div class="live"><${Panel} flush><${ScheduleTable} schedules=${data.schedules} reload=${found.reload} /><//></div>`}<//>`;
}

function ScheduleTable({ schedules, reload }) {
  const columns = [
    { key: "name", label: "Schedule", wide: true, cell: (each) => html`<b>${each.name}</b><span class="under"><a href=${`tasks?name=${encodeURIComponent(each.task)}`}>${each.task}</a>${each.declared ? "" : " · added at run time"}</span>` },
    { key: "when", label: "When", cell: (each) => html`${each.cron ? html`<code>${each.cron}</code>` : `every ${duration(each.every)}`}<span class="under">${each.zone}</span>` },
    { key: "next", label: "Next", cell: (each) => html`<${Next} schedule=${each} />` },
    { key: "last", label: "Last", cell: (each) => html`<${Ago} at=${each.last_at} none="never" />${each.last_task && html`<span class="under"><${TaskLink} id=${each.last_task} name="last task" /></span>`}` },
    { key: "missed", label: "Missed", cell: (each) => html`<${Missed} schedule=${each} />` },
    { key: "policy", label: "If missed / overlap", minor: true, cell: (each) => html`${words(each.misfire)} / ${words(each.overlap)}${each.grace != null && html`<span class="under">at most ${duration(each.grace)} late</span>`}` },
    { key: "acts", label: "Actions", bare: true, cell: (each) => html`<${Actions} schedule=${each} reload=${reload} />` },
  ];
  return html`<${Table} label="Schedules" className="schedules" columns=${columns} rows=${schedules} id=${(each) => each.name} empty=${html`<${Empty} title="There are no schedules.">Declare one with <code>@schedule(cron="0 3 * * *")</code> above a task.<//>`} />`;
}

function Next({ schedule }) {
  const now = useNow();
  if (schedule.paused) return html`<span class="state s-paused"><${Icon} name="pause" />paused</span>`;
  const late = schedule.next_at && now - schedule.next_at > LATE_SECONDS;
  if (late) return html`<span class="state s-timed_out"><${Icon} name="warning" />late by ${coarse(now - schedule.next_at)}</span>`;
  return html`<${Ago} at=${schedule.next_at} none="never again" />`;
}

// Slots that had no task of their own: a warning for a day, then a figure.
function Missed({ schedule }) {
  const now = useNow();
  const { missed, missed_at_least: more, last_missed_at: at, last_missed_cause: cause } = schedule;
  if (!missed) return html`<span class="muted">none</span>`;
  const [brief, why] = WHY[cause] ?? [words(cause), null];
  const number = html`<span title=${more ? "At least so many: not all were counted" : null}>${count(missed)}${more && "+"}</span>`;
  return html`${now - at < RECENT_SECONDS ? html`<span class="state s-retrying"><${Icon} name="warning" />${number}</span>` : number}
    <span class="under"><${Ago} at=${at} /> · <span title=${why}>${brief}</span></span>`;
}

function Actions({ schedule, reload }) {
  const { name, paused } = schedule;
  const path = `api/schedules/${name.split("/").map(encodeURIComponent).join("/")}`;
  return html`<span class="row-acts">
    <${Act} label="Run now" icon="play" path=${`${path}/run`} name=${`Run now: ${name}`} after=${reload} done=${(answer) => [`${name} was submitted.`, { link: `tasks/${answer.id}` }]} />
    ${paused ? html`<${Act} label="Resume" icon="play" path=${`${path}/resume`} name=${`Resume ${name}`} after=${reload} done=${() => `${name} fires again.`} />` : html`<${Act} label="Pause" icon="pause" path=${`${path}/pause`} name=${`Pause ${name}`} after=${reload} done=${() => `${name} is paused, restarts included.`} />`}
  </span>`;
}
