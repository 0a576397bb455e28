// A chart of the last minutes: columns or a line, drawn as SVG; its figures also as words.
import { clock, count, duration } from "./format.js";
import { STEP } from "./history.js";
import { html, useLayoutEffect, useRef, useState } from "./ui.js";

const HEIGHT = 132;
const PAD = { top: 10, right: 4, bottom: 20, left: 36 };

const axis = (value) => (Number.isInteger(value) ? count(value) : value.toFixed(value < 1 ? 2 : 1));

function nice(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value);
}

function useWidth() {
  const element = useRef(null);
  const [width, setWidth] = useState(600);
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(([entry]) => setWidth(Math.max(200, Math.round(entry.contentRect.width))));
    watcher.observe(element.current);
    return () => watcher.disconnect();
  }, []);
  return [element, width];
}

// series: [{name, tone, kind: "columns"|"line", values: [{at, value}]}]; columns are stacked.
export function Chart({ label, series, now, span, unit, format, whole = false }) {
  const [element, width] = useWidth();
  const [pointed, setPointed] = useState(null);
  const end = Math.floor(now / STEP) * STEP;
  const begin = end - span;
  const inside = series.map((each) => ({ ...each, values: each.values.filter((point) => point.at > begin && point.at <= end) }));
  const most = nice(Math.max(whole ? 4 : 0, ...sums(inside)));
  const x = (at) => PAD.left + ((at - begin) / span) * (width - PAD.left - PAD.right);
  const y = (value) => PAD.top + (1 - value / most) * (HEIGHT - PAD.top - PAD.bottom);
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const part = (event.clientX - box.left - PAD.left) / (width - PAD.left - PAD.right);
    const at = begin + Math.round((part * span) / STEP) * STEP;
    setPointed(part >= 0 && part <= 1 ? at : null);
  };
  const told = pointed === null ? end : pointed;
  return html`<figure class="chart" ref=${element}>
    <figcaption>
      ${inside.map((each) => html`<span key=${each.name} class=${`legend t-${each.tone}`}><i></i>${each.name} <b>${valueAt(each, told, format)}</b></span>`)}
      <span class="grow"></span><span class="note">${pointed === null ? unit : clock(pointed)}</span>
    </figcaption>
    <svg width=${width} height=${HEIGHT} viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${spoken(label, inside, format)} onPointerMove=${point} onPointerLeave=${() => setPointed(null)}>
      ${[0, 0.5, 1].map((part) => html`<g key=${part} class="grid"><line x1=${PAD.left} x2=${width - PAD.right} y1=${y(part * most)} y2=${y(part * most)} /><text x=${PAD.left - 6} y=${y(part * most) + 4}>${axis(part * most)}</text></g>`)}
      ${[1, 0.5, 0].map((part) => html`<text key=${part} class="tick" text-anchor=${part === 1 ? "start" : part ? "middle" : "end"} x=${x(end - part * span)} y=${HEIGHT - 4}>${part ? `${duration(part * span)} ago` : "now"}</text>`)}
      ${pointed !== null && html`<line class="pointed" x1=${x(pointed)} x2=${x(pointed)} y1=${PAD.top} y2=${HEIGHT - PAD.bottom} />`}
      ${stacked(inside).map((each) => html`<path key=${each.name} class=${`columns t-${each.tone}`} d=${columns(each.values, x, y, ((width - PAD.left - PAD.right) / (span / STEP)) * 0.72)} />`)}
      ${inside.filter((each) => each.kind === "line").map((each) => html`<${Line} key=${each.name} tone=${each.tone} values=${each.values} x=${x} y=${y} />`)}
    </svg>
  </figure>`;
}

function Line({ tone, values, x, y }) {
  const runs = pieces(values);
  const stroke = runs.map((run) => run.map((point, index) => `${index ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("")).join("");
  const area = runs.map((run) => `M${x(run[0].at).toFixed(1)} ${y(0)}${run.map((point) => `L${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("")}L${x(run.at(-1).at).toFixed(1)} ${y(0)}Z`).join("");
  return html`<g class=${`line t-${tone}`}><path class="area" d=${area} /><path class="stroke" d=${stroke} /></g>`;
}

// Lines are not drawn across a hole.
function pieces(values) {
  const runs = [];
  let last = null;
  for (const point of values) {
    if (last === null || point.at - last > STEP * 3) runs.push([]);
    runs.at(-1).push(point);
    last = point.at;
  }
  return runs;
}

function stacked(series) {
  const below = new Map();
  return series
    .filter((each) => each.kind === "columns")
    .map((each) => ({
      ...each,
      values: each.values.map(({ at, value }) => {
        const from = below.get(at) ?? 0;
        below.set(at, from + value);
        return { at, from, to: from + value };
      }),
    }));
}

function sums(series) {
  const tops = stacked(series).flatMap((each) => each.values.map((point) => point.to));
  return [...tops, ...series.filter((each) => each.kind === "line").flatMap((each) => each.values.map((point) => point.value))];
}

function columns(values, x, y, room) {
  const wide = Math.max(1, room);
  return values.filter((point) => point.to > point.from).map((point) => `M${(x(point.at) - wide).toFixed(1)} ${y(point.from).toFixed(1)}h${wide.toFixed(1)}V${y(point.to).toFixed(1)}h${(-wide).toFixed(1)}Z`).join("");
}

function valueAt(series, at, format) {
  const found = series.values.findLast((point) => point.at <= at && point.at > at - STEP * 3);
  return found ? format(found.value) : "–";
}

function spoken(label, series, format) {
  const each = series.map(({ name, values }) => `${name} ${values.length ? format(values.at(-1).value) : "unknown"}`);
  return `${label}, now: ${each.join(", ")}`;
}
