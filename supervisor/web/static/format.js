// Numbers and times as people read them. Pure.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const stamp = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clockTime = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const NONE = "–";

export const count = (value) => (value == null ? NONE : Math.abs(value) >= 1e6 ? compact.format(value) : whole.format(value));

export function rate(perSecond) {
  if (perSecond == null) return NONE;
  if (perSecond === 0) return "0";
  return perSecond >= 100 ? count(perSecond) : perSecond.toFixed(perSecond >= 10 ? 1 : 2);
}

export function percent(part) {
  if (part == null) return NONE;
  const value = part * 100;
  return `${value === 0 || value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

export function bytes(value) {
  if (value == null) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (value >= 1000 && step < units.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${step === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[step]}`;
}

export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return NONE;
  const span = Math.abs(seconds);
  if (span === 0) return "0 s";
  if (span < 0.0001) return "<0.1 ms";
  if (span < 0.0995) return `${span < 0.00995 ? (span * 1000).toFixed(1) : (span * 1000).toFixed(0)} ms`;
  if (span < 0.9995) return `${(span * 1000).toFixed(0)} ms`;
  if (span < 9.95) return `${span.toFixed(1)} s`;
  if (span < 120) return `${span.toFixed(0)} s`;
  if (span < 7200) return pair(span, 60, "min", "s");
  if (span < 172800) return pair(span / 60, 60, "h", "min");
  return pair(span / 3600, 24, "d", "h");
}

function pair(value, factor, large, small) {
  const total = Math.floor(value);
  const rest = total % factor;
  return `${Math.floor(total / factor)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

// One figure only, since it changes under the reader's eye.
export function coarse(seconds) {
  const span = Math.abs(seconds);
  if (span < 60) return `${Math.floor(span)} s`;
  if (span < 3600) return `${Math.floor(span / 60)} min`;
  if (span < 86400) return `${Math.floor(span / 3600)} h`;
  return `${Math.floor(span / 86400)} d`;
}

export function relative(at, now) {
  const past = now - at;
  if (Math.abs(past) < 1) return "now";
  return past > 0 ? `${coarse(past)} ago` : `in ${coarse(past)}`;
}

export const exact = (at) => stamp.format(new Date(at * 1000));
export const clock = (at) => clockTime.format(new Date(at * 1000));
export const shortId = (id) => `${id.slice(0, 8)}…${id.slice(-4)}`;
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
// An error's class without its module.
export const lastPart = (name) => name.split(".").pop();
export const words = (name) => name.replaceAll("_", " ");

export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
