// Which view is at which URL.
import { Dead } from "./dead.js";
import { Missing } from "./missing.js";
import { Overview } from "./overview.js";
import { Queues } from "./queues.js";
import { Running } from "./running.js";
import { Schedules } from "./schedules.js";
import { SignIn } from "./sign-in.js";
import { System } from "./system.js";
import { Task } from "./task.js";
import { Tasks } from "./tasks.js";
import { Workers } from "./workers.js";

const VIEWS = {
  "": [Overview, "Overview"],
  running: [Running, "Now running"],
  queues: [Queues, "Queues"],
  tasks: [Tasks, "Tasks"],
  dead: [Dead, "Dead letters"],
  schedules: [Schedules, "Schedules"],
  workers: [Workers, "Workers"],
  system: [System, "System"],
  "sign-in": [SignIn, "Sign in"],
};

export function viewAt(path) {
  const [place, id] = path.split("/", 2);
  if (place === "tasks" && id) return { View: Task, title: "Task", props: { id: decodeURIComponent(id) } };
  const [View, title] = VIEWS[path.replace(/\/$/, "")] ?? [Missing, "Not found"];
  return { View, title, props: {} };
}
