// The witness reads the seller's figures beside the crowd, and holds them against what the seller was promised.

import { check, sleep } from 'k6';

import { PROMISES, broken } from './checks.js';
import { Frames, asSeller, isOver } from './client.js';

const LOOKS_EVERY_SECONDS = 0.5;

/** The scenario of the witness: one look after the other, for as long as anybody is there. */
export function witnessScenario(seconds) {
  return { exec: 'watch', executor: 'per-vu-iterations', vus: 1, iterations: 1, maxDuration: `${Math.ceil(seconds)}s` };
}

/**
 * Reads the seller's figures and the frame until everybody is gone, or the patience ends. `arrivalsMs` says how long
 * people keep coming after the start of the run.
 */
export function witness(data, { arrivalsMs, patienceSeconds }) {
  const { sale, startedAt } = data;
  const arrivalsEnd = startedAt + arrivalsMs;
  const deadline = arrivalsEnd + patienceSeconds * 1000;
  const frames = new Frames(sale.id);
  const readings = [];
  while (Date.now() < deadline) {
    const asked = Date.now();
    const answer = asSeller('GET', `/v1/sales/${sale.id}/live`);
    // A reading that had to be asked for twice was answered later than it was asked for; it still bounds the window.
    const read = check(answer, { 'the seller reads the figures': ({ status }) => status === 200 });
    const live = read ? answer.json() : undefined;
    if (live) {
      unitsAddUp(live, sale);
      withinRate(readings, { asked, answered: Date.now(), calledTotal: live.called_total }, sale.admission.per_minute);
    }
    const frame = frames.now();
    if (live && Date.now() > arrivalsEnd && isDone(live, frame)) return;
    sleep(LOOKS_EVERY_SECONDS);
  }
}

function unitsAddUp(live, sale) {
  const { units } = live;
  const fits = live.conservation === 0 && units.free >= 0 && units.held >= 0 && units.sold + units.held <= units.total;
  if (!fits) broken(PROMISES.oversold, JSON.stringify(live));
  check(live, { 'called and inside stay within the cap': ({ called, active }) => called + active <= sale.admission.max_active });
}

/** Never more calls than rate times window plus burst (100 ms of the rate, at least one), in every window between two readings. */
function withinRate(readings, now, perMinute) {
  const last = readings[readings.length - 1];
  // The store began a new life and counts anew.
  if (last && last.calledTotal > now.calledTotal) readings.length = 0;
  const perSecond = perMinute / 60;
  const burst = Math.max(1, perSecond / 10);
  for (const before of readings) {
    // Readings are in whole milliseconds.
    const seconds = (now.answered + 1 - before.asked) / 1000;
    const calls = now.calledTotal - before.calledTotal;
    if (calls > perSecond * seconds + burst) {
      broken(PROMISES.overRate, `${calls} calls in ${seconds} s at ${perMinute} a minute`);
      break;
    }
  }
  readings.push(now);
}

function isDone(live, frame) {
  return (live.called === 0 && live.active === 0 && live.waiting === 0) || (frame !== undefined && isOver(frame));
}
