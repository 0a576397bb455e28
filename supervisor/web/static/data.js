// What a view reads from the API: kept while it is read anew, and said to be old when that fails.
import { get, serverNow } from "./api.js";
import { overview, fresh } from "./stream.js";
import { useCallback, useEffect, useRef, useState } from "./ui.js";

const NOTHING = { data: null, error: null, at: 0, path: "" };

// Reads a path at once, every so many seconds, and when told to. `loading` is true until the first answer to it.
export function useApi(path, { every = 0 } = {}) {
  const [found, setFound] = useState(NOTHING);
  const [turn, setTurn] = useState(0);
  const asked = useRef(null);
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    asked.current = abort;
    get(path, abort.signal).then(
      (data) => setFound({ data, error: null, at: serverNow(), path }),
      (error) => {
        if (error.name !== "AbortError") setFound((before) => ({ ...before, error, path }));
      },
    );
    return () => abort.abort();
  }, [path, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden && fresh.value.mode !== "paused") reload();
    }, every * 1000);
    return () => clearInterval(timer);
  }, [every, reload]);
  const loading = found.path !== path;
  return { data: found.data, error: loading ? null : found.error, at: found.at, loading, reload };
}

// Calls when the figures tell that tasks came, went or changed state; every two seconds at most.
export function useWhenTasksMove(reload) {
  useEffect(() => {
    let last = "";
    let due = 0;
    const look = (found) => {
      if (!found || fresh.value.mode !== "live") return;
      const now = JSON.stringify([found.total.executed, found.total.ended, found.unfinished]);
      if (now === last || performance.now() < due) return;
      const first = last === "";
      last = now;
      due = performance.now() + 1900;
      if (!first) reload();
    };
    look(overview.value);
    return overview.watch(look);
  }, [reload]);
}
