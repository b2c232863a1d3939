// The promises as metrics: what every buyer sees is held against what must always be true.

import { check } from 'k6';
import { Counter, Trend } from 'k6/metrics';

/** Each counts what must never happen. */
export const PROMISES = {
  oversold: new Counter('openrun_oversold'),
  placeRose: new Counter('openrun_place_rose'),
  admittedTwice: new Counter('openrun_admitted_twice'),
  fifoInversions: new Counter('openrun_fifo_inversions'),
  overRate: new Counter('openrun_over_rate'),
  brokenOff: new Counter('openrun_broken_off'),
};

/** What became of the buyers, for the reader of the summary. */
export const OUTCOMES = {
  joined: new Counter('openrun_joined'),
  admitted: new Counter('openrun_admitted'),
  reserved: new Counter('openrun_reserved'),
  paid: new Counter('openrun_paid'),
};

const latencyRatio = new Trend('openrun_latency_ratio');

/** Latency as a multiple of what the target needed for a read before the crowd came. */
export const LATENCY = {
  askedAgain: new Counter('openrun_asked_again'),
  took(answer, call, { baseline }) {
    if (answer.status !== 0) latencyRatio.add(answer.timings.duration / baseline, { call });
  },
};

/**
 * The thresholds of a run. `most` are the largest latency ratios at the 95th percentile: of the line's calls, answered from
 * memory or one script, and of the checkout's, which wait for a commit.
 */
export function thresholds({ units, line = ['join', 'frame', 'standing', 'enter'], checkout = ['reserve', 'pay'], own = {} }) {
  const promises = {};
  for (const promise of Object.values(PROMISES)) promises[promise.name] = ['count==0'];
  for (const call of line) promises[`openrun_latency_ratio{call:${call}}`] = [`p(95)<${__ENV.MOST_LINE_RATIO || 25}`];
  for (const call of checkout) promises[`openrun_latency_ratio{call:${call}}`] = [`p(95)<${__ENV.MOST_CHECKOUT_RATIO || 50}`];
  return {
    ...promises,
    openrun_joined: ['count>0'],
    openrun_paid: [`count<=${units}`],
    checks: ['rate>0.999'],
    dropped_iterations: ['count==0'],
    ...own,
  };
}

/** An iteration that ends in an error counts: k6 alone would only log it, and promises that nobody looked at would be kept. */
export function toTheEnd(iteration) {
  return (data) => {
    try {
      iteration(data);
    } catch (error) {
      PROMISES.brokenOff.add(1);
      throw error;
    }
  };
}

// How old may be what another process shows: frames are fetched every 200 ms, on a busy machine later.
const FRAMES_LAG_MS = 2000;
const MOST_COMPLAINTS = 20;

let complaints = 0;

/** Counts what must never happen, and says what it was. */
export function broken(promise, what) {
  promise.add(1);
  complaints += 1;
  if (complaints <= MOST_COMPLAINTS) console.error(`${promise.name}: ${what}`);
}

/// Places

// The last new number that this VU was given. Its buyers come one after another, so numbers must rise; and they must be
// above those that the frame knew before.
let lastNumber = 0;

/** A join's answer: the same buyer keeps the number, and who came later stands behind. */
export function sawJoin(before, { id, number, isNew }, frame) {
  if (before && (before.number !== number || before.id !== id)) broken(PROMISES.placeRose, `number ${before.number} became ${number}`);
  if (!isNew) return;
  const given = Math.max(lastNumber, frame ? frame.last_number : 0);
  if (number <= given) broken(PROMISES.fifoInversions, `number ${number} was given after ${given}`);
  lastNumber = number;
}

// When `serving` was first seen this high, in the epoch that this VU saw last.
let epoch;
let served = [];

export function sawFrame(frame) {
  if (frame.epoch !== epoch) {
    epoch = frame.epoch;
    served = [];
  }
  if (frame.trouble === null && (served.length === 0 || served[served.length - 1].serving < frame.serving)) {
    served.push({ serving: frame.serving, at: Date.now() });
  }
}

/** What one buyer was told of the own place: it never rises, and nobody is passed over. */
export class SightOfLine {
  frame(frame, number) {
    const place = ahead(frame, number);
    if (place !== undefined) this.told(frame.epoch, place, `number ${number} in tick ${frame.tick}`);
  }

  standing(standing, number, frame, asked) {
    if (standing.number !== number) broken(PROMISES.placeRose, `number ${number} became ${standing.number}`);
    // The first epoch alone: later ones put people back behind whom others were called already.
    if (!frame || frame.epoch !== epoch || frame.epoch > 1 || frame.trouble !== null) return;
    const before = served.filter(({ at }) => at + FRAMES_LAG_MS < asked).pop();
    if (standing.state === 'waiting' && before && number <= before.serving) {
      broken(PROMISES.fifoInversions, `number ${number} waits although ${before.serving} was called before`);
    }
    if (standing.state === 'called') this.calledAt = this.calledAt || asked;
    if (this.calledAt && this.calledAt + FRAMES_LAG_MS < asked && frame.serving < number) {
      broken(PROMISES.fifoInversions, `number ${number} was called above serving ${frame.serving}`);
    }
  }

  told(inEpoch, place, where) {
    if (this.epoch === inEpoch && place > this.place) broken(PROMISES.placeRose, `${where}: from ${this.place} to ${place}`);
    this.epoch = inEpoch;
    this.place = place;
  }
}

/**
 * People ahead of a number at most, from the frame alone; undefined once it may have been called. Live tickets of the
 * buckets before, and in the own bucket no more than numbers stand before; numbers not known to be given count as live.
 */
export function ahead({ histogram: { bucket, live }, serving, last_number: last }, number) {
  if (number <= serving) return undefined;
  const mine = Math.floor((number - 1) / bucket);
  const start = mine * bucket;
  let whole = 0;
  for (let b = 0; b < mine; b += 1) whole += live[b] || 0;
  const known = Math.max(last, serving);
  const notGiven = Math.max(0, start + bucket - Math.max(known, start));
  const offset = Math.max(0, number - 1 - Math.max(start, serving));
  return whole + Math.max(0, start - known) + Math.min((live[mine] || 0) + notGiven, offset);
}

/// Passes and orders

/** One pass per ticket, ever. */
export function sawPasses(known, answers) {
  const ids = new Set(known);
  for (const answer of answers) if (answer.status === 200 || answer.status === 201) ids.add(answer.json('id'));
  if (ids.size > 1) broken(PROMISES.admittedTwice, `one ticket has the passes ${[...ids].join(', ')}`);
  return [...ids];
}

/** A second order for a pass that was used: refused, with the order that it was used for. */
export function usePassAgain(buyer) {
  const first = buyer.order;
  const again = buyer.reserve(`${buyer.key}-another-order`);
  if (again.status === 201 || again.status === 200) broken(PROMISES.admittedTwice, `a pass made the orders ${first} and ${buyer.order}`);
  check(again, { 'a used pass is refused': (answer) => answer.status === 403 && answer.json('code') === 'pass_used' });
  buyer.order = first;
}
