// For how long a task has run, of its limits: in words, and as a bar with a mark at the soft one.
import { clock, duration } from "./format.js";
import { Icon } from "./icons.js";
import { Bar } from "./parts.js";
import { html } from "./ui.js";

const NEAR = 0.8; // of the hard limit

export function Limits({ spent, since, hard, soft, shown = spent }) {
  const whole = hard ?? soft;
  const past = soft != null && spent >= soft;
  const near = hard != null && spent >= hard * NEAR && (soft == null || past);
  const told = `${duration(shown)}${hard == null ? "" : ` of ${duration(hard)}`}`;
  const about = soft == null ? (hard == null ? "no limit" : "") : `${past ? "past its soft limit of" : "soft limit"} ${duration(soft)}`;
  return html`<span class=${`limits ${past ? "past" : ""}`}>
    <span class="figure" title=${since == null ? undefined : `since ${clock(since)}`}>${duration(shown)}${hard != null && html` <span class="muted">of ${duration(hard)}</span>`}</span>
    ${whole != null && html`<${Bar} part=${spent / whole} tone=${near ? "near" : past ? "past" : ""} mark=${soft != null && hard != null ? soft / hard : null} label=${about ? `${told}, ${about}` : told} />`}
    ${about && html`<span class="under">${past && html`<${Icon} name="warning" />`}${about}</span>`}
  </span>`;
}
