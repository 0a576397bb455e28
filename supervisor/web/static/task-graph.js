// Parents and children of a task, drawn from left to right; each is a link.
import { useApi } from "./data.js";
import { plural } from "./format.js";
import { Icon } from "./icons.js";
import { Failed, Panel } from "./parts.js";
import { taskUrl } from "./router.js";
import { html, useEffect } from "./ui.js";

const WIDE = 172;
const HIGH = 40;
const GAP_X = 44;
const GAP_Y = 12;

// In which column each task is: one behind the last of its parents. Pure.
export function layersOf(nodes, edges) {
  const parents = new Map(nodes.map((node) => [node.id, []]));
  for (const { parent, child } of edges) if (parents.has(parent)) parents.get(child)?.push(parent);
  const layers = new Map();
  const layer = (id, seen) => {
    if (layers.has(id)) return layers.get(id);
    if (seen.has(id)) return 0;
    const found = Math.max(-1, ...parents.get(id).map((parent) => layer(parent, new Set(seen).add(id)))) + 1;
    layers.set(id, found);
    return found;
  };
  for (const node of nodes) layer(node.id, new Set());
  return layers;
}

export function placesOf(nodes, edges) {
  const layers = layersOf(nodes, edges);
  const filled = [];
  const places = new Map();
  for (const node of nodes) {
    const column = layers.get(node.id);
    const row = (filled[column] = (filled[column] ?? -1) + 1);
    places.set(node.id, { column, row });
  }
  const rows = Math.max(...filled.map((each) => each + 1));
  for (const place of places.values()) {
    place.x = place.column * (WIDE + GAP_X);
    place.y = (place.row + (rows - filled[place.column] - 1) / 2) * (HIGH + GAP_Y);
  }
  return { places, width: filled.length * (WIDE + GAP_X) - GAP_X, height: rows * (HIGH + GAP_Y) - GAP_Y };
}

export function Graph({ id, state }) {
  const found = useApi(`api/tasks/${id}/graph`, { every: 5 });
  useEffect(found.reload, [state]);
  const { data, error } = found;
  if (!data) return error ? html`<${Panel} title="Parents and children"><${Failed} error=${error} again=${found.reload} /><//>` : null;
  if (data.nodes.length < 2) return null;
  const { places, width, height } = placesOf(data.nodes, data.edges);
  return html`<${Panel} title="Parents and children" note=${`${plural(data.nodes.length, "task")}${data.complete ? "" : ", not all of them"}`} flush>
    <div class="graph-wrap" tabindex="0" role="region" aria-label="Graph of parents and children">
      <div class="graph" style=${{ width: `${width}px`, height: `${height}px` }}>
        <svg width=${width} height=${height} aria-hidden="true">${data.edges.map(({ parent, child }) => html`<path key=${parent + child} d=${curve(places.get(parent), places.get(child))} />`)}</svg>
        ${data.nodes.map((node) => html`<a key=${node.id} href=${taskUrl(node.id)} class=${`node s-${node.state}`} aria-current=${node.id === data.root ? "page" : undefined} title=${`${node.name} ${node.id}`} style=${{ left: `${places.get(node.id).x}px`, top: `${places.get(node.id).y}px` }}><${Icon} name=${node.state} /><span class="ellipsis">${node.name.split(".").slice(-2).join(".")}</span><span class="hidden">${node.state}</span></a>`)}
      </div>
    </div>
  <//>`;
}

function curve(from, to) {
  if (!from || !to) return "";
  const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x, to.y + HIGH / 2];
  return `M${x1} ${y1}C${x1 + GAP_X / 2} ${y1} ${x2 - GAP_X / 2} ${y2} ${x2} ${y2}`;
}
