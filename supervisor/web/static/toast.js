// What came of an action, told at the edge of the page and to screen readers.
import { Icon } from "./icons.js";
import { Store, useStore } from "./store.js";
import { html } from "./ui.js";

const SHOWN_MS = 6000;
const toasts = new Store([]);
let number = 0;

export function toast(text, { bad = false, link = "" } = {}) {
  const one = { key: ++number, text, bad, link };
  toasts.set([...toasts.value.slice(-3), one]);
  // A fault stays until it was read.
  if (!bad) setTimeout(() => dismiss(one.key), SHOWN_MS);
}

export function dismiss(key) {
  toasts.set(toasts.value.filter((each) => each.key !== key));
}

export function Toasts() {
  const shown = useStore(toasts);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map(
      (each) => html`<div key=${each.key} class=${`toast ${each.bad ? "bad" : "good"}`}>
        <${Icon} name=${each.bad ? "fault" : "check"} />
        <span class="grow">${each.text}${each.link && html` <a href=${each.link}>Show</a>`}</span>
        <button type="button" class="plain" aria-label="Dismiss" onClick=${() => dismiss(each.key)}><${Icon} name="close" /></button>
      </div>`,
    )}
  </div>`;
}
