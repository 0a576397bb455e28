// The end of a list: how far was searched, and what comes before.
import { exact } from "./format.js";
import { Ago } from "./parts.js";
import { withParams } from "./router.js";
import { html } from "./ui.js";

export function Pager({ data, shown, params, what }) {
  const { cursor, searched_until: until } = data;
  return html`<p class="pager">
    ${params.get("cursor") && html`<a class="button" href=${withParams({ cursor: null })}>Latest</a>`}
    ${cursor && html`<a class="button" id="older" href=${withParams({ cursor })}>${shown ? "Older" : "Search on"}</a>`}
    <span class="note">${cursor === null ? `That is the end: there are no older ${what}.` : until != null && html`Searched until <span title=${exact(until)}><${Ago} at=${until} /></span>.`}</span>
  </p>`;
}
