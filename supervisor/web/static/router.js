// Which view, with which filters: all of it is the URL, so that back, forward, reload and links work.
import { Store } from "./store.js";

const base = new URL(".", document.baseURI).pathname;

function here() {
  const path = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";
  return { path: decoded(path), params: new URLSearchParams(location.search), search: location.search };
}

function decoded(path) {
  try {
    return decodeURI(path);
  } catch {
    return path; // no view has such a name
  }
}

export const route = new Store(here());

export function go(url, { replace = false } = {}) {
  const target = new URL(url, document.baseURI);
  if (target.href === location.href) return;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  route.set(here());
}

// The URL of this view with some parameters changed; null, "" and [] take one away.
export function withParams(changes, params = route.value.params, path = route.value.path) {
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") next.append(name, each);
    }
  }
  const query = next.toString();
  return `${encodeURI(path) || "."}${query ? `?${query}` : ""}`;
}

export function setParams(changes, options) {
  go(withParams(changes), options);
}

export function taskUrl(id) {
  return `tasks/${encodeURIComponent(id)}`;
}

function isOurs(link, event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return false;
  const url = new URL(link.href, document.baseURI);
  if (link.target || link.hasAttribute("download") || url.origin !== location.origin || !url.pathname.startsWith(base)) return false;
  return !/^(api|static)\/|^(metrics|openapi\.json|livez|readyz)$/.test(url.pathname.slice(base.length));
}

export function startRouter() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || !isOurs(link, event)) return;
    event.preventDefault();
    go(link.href);
  });
  addEventListener("popstate", () => route.set(here()));
}
