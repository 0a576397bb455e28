// The filters of lists: each is a parameter of the URL.
import { exact } from "./format.js";
import { Icon } from "./icons.js";
import { setParams, withParams } from "./router.js";
import { useStore } from "./store.js";
import { overview } from "./stream.js";
import { html, useEffect, useState } from "./ui.js";

const SPANS = [["", "any time"], ["-900", "the last 15 min"], ["-3600", "the last hour"], ["-86400", "the last day"], ["-604800", "the last week"]];

// A field that is part of the URL once one leaves it, or presses Enter.
export function TextFilter({ params, name, label, placeholder, options = [] }) {
  const asked = params.get(name) ?? "";
  const [text, setText] = useState(asked);
  useEffect(() => setText(asked), [asked]);
  const apply = (value) => {
    if (value.trim() !== asked) setParams({ [name]: value.trim(), cursor: null });
  };
  return html`<label class="field"><span>${label}</span>
    <input name=${name} type="text" list=${options.length ? `known-${name}` : undefined} placeholder=${placeholder} value=${text} autocomplete="off" spellcheck="false"
      onInput=${(event) => setText(event.target.value)} onChange=${(event) => apply(event.target.value)} onKeyDown=${(event) => event.key === "Enter" && apply(event.target.value)} />
    ${options.length > 0 && html`<datalist id=${`known-${name}`}>${options.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
  </label>`;
}

export function SelectFilter({ params, name, label, options }) {
  const asked = params.get(name) ?? "";
  const known = options.some(([value]) => value === asked) ? options : [...options, [asked, asked]];
  return html`<label class="field"><span>${label}</span>
    <select name=${name} value=${asked} onChange=${(event) => setParams({ [name]: event.target.value, cursor: null })}>
      ${known.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === asked}>${text}</option>`)}
    </select></label>`;
}

export function TimeFilter({ params, label = "Submitted in" }) {
  const asked = params.get("since") ?? "";
  const own = SPANS.some(([value]) => value === asked) ? [] : [[asked, `since ${exact(Number(asked))}`]];
  return html`<${SelectFilter} params=${params} name="since" label=${label} options=${[...SPANS, ...own]} />`;
}

export function useKnown() {
  const found = useStore(overview);
  return { queues: found?.queues.map((each) => each.name) ?? [], names: found?.tasks.map((each) => each.name) ?? [] };
}

// What is filtered by, each with a way to let go of it.
export function Chosen({ params, names, shown = [] }) {
  const chosen = names.filter((name) => params.get(name)).map((name) => [name, params.getAll(name).join(", ")]);
  if (!chosen.length) return null;
  // Those that a field or a chip of their own shows already need no second one.
  return html`<p class="chosen">${chosen.filter(([name]) => !shown.includes(name)).map(([name, value]) => html`<a key=${name} class="chip" href=${withParams({ [name]: null, cursor: null })} aria-label=${`No longer by ${name}`}>${name === "since" ? "time" : name}: <b>${name === "since" ? spanOf(value) : value}</b><${Icon} name="close" /></a>`)}
    <a class="clear" href=${withParams(Object.fromEntries([...names, "cursor"].map((name) => [name, null])))}>Clear all filters</a></p>`;
}

const spanOf = (value) => SPANS.find(([each]) => each === value)?.[1] ?? exact(Number(value));
