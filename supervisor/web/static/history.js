// What the charts show: the figures of the last ten minutes as this tab saw them, kept over a reload of it.
import { Store } from "./store.js";

const SPANS = [120, 300, 600];
export const SPAN = SPANS.at(-1);
export const STEP = 5;
const KEY = "supervisor.seen";

// A point every STEP seconds: the time, and how much was counted until then.
export const points = new Store(recall());

function recall() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

// How much of it a chart shows: no more than there is something to show of.
export function spanOf(found, now) {
  const seen = found.length ? now - found[0].at : 0;
  return SPANS.find((span) => seen <= span * 0.9) ?? SPAN;
}

export function record(overview) {
  const at = Math.floor(overview.at / STEP) * STEP;
  const { total, workers } = overview;
  const ended = total.ended;
  const point = {
    at,
    seen: overview.at,
    ok: ended.succeeded ?? 0,
    bad: (ended.failed ?? 0) + (ended.timed_out ?? 0) + (ended.lost ?? 0),
    depth: total.depth,
    running: total.running,
    busy: workers.saturation,
  };
  const kept = points.value.filter((each) => each.at > at - SPAN && each.at < at);
  points.set([...kept, point]);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(points.value));
  } catch {
    // Full or forbidden: the charts begin anew with the next page.
  }
}

// What was counted between two points, a second; a hole where nobody looked, or where counting began anew.
export function rates(found, name) {
  const out = [];
  for (let index = 1; index < found.length; index += 1) {
    const [before, now] = [found[index - 1], found[index]];
    // By when they were seen: the last one is not over yet.
    const span = now.seen - before.seen;
    if (span > 0 && span <= STEP * 3 && now[name] >= before[name]) out.push({ at: now.at, value: (now[name] - before[name]) / span });
  }
  return out;
}
