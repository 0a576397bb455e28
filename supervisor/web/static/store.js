// A value that components watch.
import { useEffect, useState } from "./ui.js";

export class Store {
  constructor(value) {
    this.value = value;
    this.watchers = new Set();
  }

  set(value) {
    if (value === this.value) return;
    this.value = value;
    for (const watcher of [...this.watchers]) watcher(value);
  }

  watch(watcher) {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }
}

export function useStore(store) {
  const [value, setValue] = useState(store.value);
  useEffect(() => {
    setValue(store.value);
    return store.watch(setValue);
  }, [store]);
  return value;
}

// What a person chose, kept in this browser; a Store that remembers.
export class Remembered extends Store {
  constructor(name, otherwise) {
    super(recall(name, otherwise));
    this.name = name;
  }

  set(value) {
    try {
      localStorage.setItem(`supervisor.${this.name}`, value);
    } catch {
      // Storage is forbidden or full: chosen for this page only.
    }
    super.set(value);
  }
}

function recall(name, otherwise) {
  try {
    return localStorage.getItem(`supervisor.${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}
