// The system itself: files and versions, settings in force, findings, what was changed, who did what.
import { act } from "../api.js";
import { useApi } from "../data.js";
import { bytes, count, duration, NONE } from "../format.js";
import { TextFilter } from "../filters.js";
import { Icon } from "../icons.js";
import { Act, Ago, Empty, Facts, Head, Loaded, Panel, State } from "../parts.js";
import { withParams } from "../router.js";
import { Table } from "../table.js";
import { html, useState } from "../ui.js";

const TABS = [["", "Summary"], ["settings", "Settings"], ["findings", "Findings"], ["changes", "Changes"], ["audit", "Audit log"]];
const PARTS = { "": Summary, settings: Settings, findings: Findings, changes: Changes, audit: Audit };

export function System({ params }) {
  const tab = params.get("tab") ?? "";
  const Part = PARTS[tab] ?? Summary;
  return html`<${Head} title="System" />
    <nav class="tabs" aria-label="Parts of the system">${TABS.map(([value, title]) => html`<a key=${value} href=${value ? `system?tab=${value}` : "system"} aria-current=${value === tab ? "page" : undefined}>${title}</a>`)}</nav>
    <${Part} key=${tab} params=${params} />`;
}

function Summary() {
  const found = useApi("api/system", { every: 5 });
  return html`<${Loaded} from=${found}>${(data) => html`
    ${data.import_error && html`<${Panel} title="The tasks could not be imported" className="bad"><pre tabindex="0" role="region" aria-label="Import error">${data.import_error}</pre><//>`}
    ${data.obstacles.length > 0 && html`<${Panel} title="Obstacles" className="bad"><ul>${data.obstacles.map((each) => html`<li key=${each}>${each}</li>`)}</ul><//>`}
    <div class="three">
      <${Panel} title="Supervisor"><${Facts} rows=${[["Title", data.title || NONE], ["Host", data.host], ["Directory", html`<code>${data.directory}</code>`], ["Up for", data.live ? duration(Math.floor(data.uptime)) : html`<${State} state="lost" />`], ["Durability", data.durability || NONE], ["Code generation", count(data.generation)]]} /><//>
      <${Panel} title="Journal"><${Facts} rows=${[["File", html`<code>${data.journal.path}</code>`], ["Size", bytes(data.journal.bytes)], ["Write-ahead log", bytes(data.journal.wal_bytes)], ["Payload files", `${count(data.journal.payload_files)}, ${bytes(data.journal.payload_bytes)}`], ["Schema", String(data.journal.schema)], ["Tasks numbered", count(data.journal.newest_seq)]]} /><//>
      <${Panel} title="Versions"><${Facts} rows=${[["gunicorn-supervisor", data.version], ["Python", data.python], ["SQLite", data.sqlite], ["Gunicorn", data.gunicorn || NONE]]} /><//>
      <${Panel} title="Processes"><${Facts} rows=${data.processes.map(({ role, pid }) => [role, html`<code>${pid}</code>`])} /><//>
    </div>`}<//>`;
}

const shown = (value) => (value === null || value === "" ? NONE : typeof value === "object" ? JSON.stringify(value) : String(value));

function Settings({ params }) {
  const found = useApi("api/system");
  const wanted = (params.get("setting") ?? "").toLowerCase();
  return html`<section class="filters" aria-label="Filters"><div class="fields"><${TextFilter} params=${params} name="setting" label="Setting" placeholder="timeout" /></div></section>
    <${Loaded} from=${found}>${(data) => {
      const rows = data.settings.filter((each) => !wanted || `${each.name} ${each.doc} ${each.group}`.toLowerCase().includes(wanted));
      const groups = [...new Set(rows.map((each) => each.group))];
      const web = data.web.filter((each) => !wanted || each.name.includes(wanted)).map((each) => ({ ...each, doc: "", changed: false }));
      if (!rows.length && !web.length) return html`<${Empty} title=${data.settings.length ? "No setting is called so." : "No settings are known: no supervisor runs here."} />`;
      return html`${groups.map((group) => html`<${Panel} key=${group} title=${group} flush><${SettingTable} label=${group} rows=${rows.filter((each) => each.group === group)} /><//>`)}
        ${web.length > 0 && html`<${Panel} title="This dashboard" flush><${SettingTable} label="This dashboard" rows=${web} /><//>`}`;
    }}<//>`;
}

const withCode = (text) => text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));

function SettingTable({ label, rows }) {
  const columns = [
    { key: "name", label: "Setting", cell: (each) => html`<code>${each.name}</code>` },
    { key: "value", label: "In force", cell: (each) => html`<code class="value">${shown(each.value)}</code>${each.changed && html` <span class="state s-retrying"><${Icon} name="warning" />changed while it ran</span>`}` },
    { key: "doc", label: "What it does", wide: true, cell: (each) => html`<span class="note">${withCode(each.doc)}</span>` },
  ];
  return html`<${Table} className="settings" label=${`Settings: ${label}`} columns=${columns} rows=${rows} id=${(each) => each.name} />`;
}

const VERDICTS = { ok: ["succeeded", "ok"], warning: ["timed_out", "warning"], fault: ["failed", "fault"] };

function FindingTable({ label, findings }) {
  const columns = [
    { key: "verdict", label: "Verdict", cell: (each) => { const [tone, word] = VERDICTS[each.verdict] ?? ["lost", each.verdict]; return html`<span class=${`state s-${tone}`}><${Icon} name=${tone === "timed_out" ? "warning" : tone} />${word}</span>`; } },
    { key: "subject", label: "Of", cell: (each) => html`<b>${each.subject}</b>` },
    { key: "sentence", label: "What was found", wide: true, cell: (each) => each.sentence },
  ];
  return html`<${Table} label=${label} columns=${columns} rows=${findings} id=${(each) => each.subject + each.sentence} empty=${html`<${Empty} title="Nothing was found." />`} />`;
}

function Findings() {
  const found = useApi("api/system/findings");
  const [report, setReport] = useState(null);
  return html`<${Loaded} from=${found}>${(data) => html`<${Panel} title="Directory, files and file system" flush><${FindingTable} label="Findings" findings=${data.findings} /><//>`}<//>
    <${Panel} title="Journal" flush note="every page of it is looked at, for at most ten seconds" actions=${html`<${Act} label="Run the doctor" icon="check" run=${() => act("api/system/doctor")} after=${setReport} done=${() => "The doctor is done."} />`}>
      ${report ? html`<${FindingTable} label="Findings of the doctor" findings=${report.findings} />` : html`<${Empty} title="The doctor has not looked yet." />`}
    <//>`;
}

function Changes() {
  const found = useApi("api/system/changes?limit=200", { every: 5 });
  const columns = [
    { key: "at", label: "When", cell: (each) => html`<${Ago} at=${each.at} />` },
    { key: "what", label: "What", wide: true, cell: (each) => each.what },
    { key: "before", label: "Before", cell: (each) => html`<code>${shown(each.before)}</code>` },
    { key: "after", label: "After", cell: (each) => html`<code>${shown(each.after)}</code>` },
    { key: "by", label: "By", cell: (each) => html`<span class="note">process ${each.pid}, user ${each.uid}</span>` },
  ];
  return html`<${Loaded} from=${found}>${(data) => html`<${Panel} flush><${Table} label="Changes" columns=${columns} rows=${data.changes} id=${(each) => `${each.at}-${each.what}`} empty=${html`<${Empty} title="Nothing was changed while it ran." />`} /><//>`}<//>`;
}

const OUTCOMES = { done: ["succeeded", "done"], refused: ["timed_out", "refused"], failed: ["failed", "failed"] };

function Audit({ params }) {
  const cursor = params.get("cursor");
  const found = useApi(`api/audit?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, { every: 5 });
  const columns = [
    { key: "at", label: "When", cell: (each) => html`<${Ago} at=${each.at} />` },
    { key: "who", label: "Who", cell: (each) => html`<b>${each.user || "nobody"}</b><span class="under">${each.role ?? "no role"}, ${each.address}</span>` },
    { key: "action", label: "Action", wide: true, cell: (each) => html`<code>${each.action}</code>${each.target && html`<span class="under"><code>${each.target}</code></span>`}` },
    { key: "outcome", label: "Outcome", cell: (each) => { const [tone, word] = OUTCOMES[each.outcome] ?? ["lost", each.outcome]; return html`<span class=${`state s-${tone}`}><${Icon} name=${tone === "timed_out" ? "warning" : tone} />${word}</span> <span class="muted">${each.status}</span>${each.detail && html`<span class="under clamp">${each.detail}</span>`}`; } },
  ];
  return html`<${Loaded} from=${found}>${(data) => html`<${Panel} flush><${Table} label="Audit log" columns=${columns} rows=${data.entries} id=${(each) => `${each.at}-${each.action}-${each.target}`} empty=${html`<${Empty} title="Nobody has done anything here yet." />`} />
    <p class="pager">${cursor && html`<a class="button" href=${withParams({ cursor: null })}>Latest</a>`}${data.cursor && html`<a class="button" href=${withParams({ cursor: data.cursor })}>Older</a>`}</p><//>`}<//>`;
}
