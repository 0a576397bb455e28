// What is wrong now, by the figures. Pure: figures in, sentences out, the worst first.
import { coarse, count, percent, plural, words } from "./format.js";

const OLD_SECONDS = 60;
const NEAR = 0.9;
const MANY_FAIL = 0.05;

export function alertsOf(overview, schedules = [], now = 0) {
  if (!overview?.live) return [];
  const found = [];
  const say = (level, text, link) => found.push({ level, text, link });
  whole(overview, say);
  for (const queue of overview.queues) ofQueue(queue, say);
  for (const task of overview.tasks) ofTask(task, say);
  for (const schedule of schedules) {
    if (!schedule.paused && schedule.next_at && now - schedule.next_at > 10) say("warning", `Schedule ${schedule.name} is late by ${coarse(now - schedule.next_at)}`, "schedules");
  }
  return found.sort((one, other) => (one.level === other.level ? 0 : one.level === "fault" ? -1 : 1));
}

function whole({ workers, total, unfinished, limit, accepting, draining, restarts }, say) {
  if (draining) say("warning", "The supervisor is draining: nothing new is begun", "running");
  else if (!accepting) say("fault", "The supervisor takes no tasks", "system");
  if (workers.total === 0) say("fault", "There are no workers", "workers");
  else if (workers.saturation >= 1 && total.depth > 0) say("warning", `All ${plural(workers.total, "worker")} are busy, and ${plural(total.depth, "task waits", "tasks wait")}`, "running");
  const held = Object.values(unfinished).reduce((sum, each) => sum + each, 0);
  if (limit && held > limit * NEAR) say("fault", `The queue is ${percent(held / limit)} full: ${count(held)} of ${count(limit)} tasks`, "queues");
  if (restarts.broker) say("warning", `The broker was started again ${restarts.broker === 1 ? "once" : `${count(restarts.broker)} times`}`, "system");
}

function ofQueue({ name, paused, figures }, say) {
  const link = `tasks?queue=${encodeURIComponent(name)}&state=queued`;
  if (paused) say("warning", `Queue ${name} is paused${figures.depth ? `, with ${plural(figures.depth, "task")} waiting` : ""}`, "queues");
  else if (figures.oldest_age > OLD_SECONDS) say("warning", `A task in queue ${name} has waited for ${coarse(figures.oldest_age)}`, link);
}

function ofTask({ name, figures }, say) {
  if (figures.failed >= 5 && figures.error_rate > MANY_FAIL && figures.last_minute > 0) {
    say("warning", `${percent(figures.error_rate)} of ${name} fail`, `dead?name=${encodeURIComponent(name)}`);
  }
}

// Why attempts ended otherwise than by returning, the most frequent first.
export function causesOf(causes) {
  return Object.entries(causes).sort(([, one], [, other]) => other - one).map(([name, number]) => ({ name: words(name), number }));
}
