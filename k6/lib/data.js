// What a run works with: its sale, the pace of its crowd from the environment, and what the target needs for a call when
// nobody is there. `begin` runs in setup(), `end` in teardown().

import { check, sleep } from 'k6';
import exec from 'k6/execution';

import { PROMISES } from './checks.js';
import { asSeller, readFrame } from './client.js';

/** A number of the environment, or what it is otherwise. */
export function number(name, otherwise) {
  const text = __ENV[name];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) exec.test.abort(`${name} is ${text}; it must be a number`);
  return value;
}

/** How long a buyer waits for anything before giving up, which counts as a broken promise. */
export const PATIENCE_SECONDS = number('PATIENCE_SECONDS', 120);

// Reads of the frame one after another, of which the median is the baseline.
const BASELINE_READS = 60;
// A reading below that says more about the schedulers of both machines than about the target.
const BASELINE_FLOOR_MS = 5;
const SETTLES_WITHIN_SECONDS = 90;
const UNDER_WAY = ['pending_payment', 'payment_processing', 'payment_unknown'];

/** Opens a sale for this run; `changes` go over a sale of one item that lets people in at once. */
export function begin(script, changes = {}) {
  const { units = 10, opensInSeconds = -3600, ...settings } = changes;
  const sale = {
    id: `k6-${script.replace(/_/g, '-')}-${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`,
    kind: 'open_run',
    name: { ko: '부하 시험', en: 'Load test' },
    opens_at: new Date(Date.now() + opensInSeconds * 1000).toISOString(),
    closes_at: null,
    items: [{ id: 'pair', name: { ko: '한 켤레', en: 'One pair' }, price: { amount: 189000, currency: 'KRW' }, units }],
    per_buyer_limit: 1,
    hold_seconds: 30,
    enter_seconds: 30,
    pass_seconds: 120,
    admission: { mode: 'manual', per_minute: 600, max_active: 200, overcall: 0 },
    ...settings,
  };
  const made = asSeller('POST', '/v1/sales', sale);
  if (made.status !== 201) exec.test.abort(`the sale was not made: ${made.status} ${made.body || made.error}`);
  if (opensInSeconds < 0) until('the sale is open', () => asSeller('GET', `/v1/sales/${sale.id}`).json('state') === 'open');
  return { script, sale, units, baseline: baseline(sale.id), startedAt: Date.now() };
}

/** The target's latency without a crowd, in milliseconds. */
function baseline(sale) {
  const took = [];
  for (let n = 0; n < BASELINE_READS; n += 1) took.push(readFrame(sale).timings.duration);
  took.sort((one, other) => one - other);
  return Math.max(BASELINE_FLOOR_MS, took[Math.floor(took.length / 2)]);
}

/** Waits until every order has come to its end, compares everything, and closes the sale. */
export function end(data) {
  const { sale, units } = data;
  const live = () => asSeller('GET', `/v1/sales/${sale.id}/live`).json();
  until('every order has come to its end', () => UNDER_WAY.every((state) => !live().orders[state]), SETTLES_WITHIN_SECONDS);
  const report = asSeller('GET', `/v1/sales/${sale.id}/verify`);
  const closed = asSeller('POST', `/v1/sales/${sale.id}/close`);
  const { units: count, orders, conservation } = live();
  const conserved =
    conservation === 0 && count.total === units && count.held === 0 && count.free >= 0 && count.free + count.sold === units;
  if (!conserved || (orders.paid || 0) !== count.sold) PROMISES.oversold.add(1);
  check(count, {
    'at the end: free and sold units come to the stock': () => conserved,
    'at the end: every sold unit has its paid order': () => (orders.paid || 0) === count.sold,
  });
  check(closed, { 'at the end: the sale closes': ({ status }) => status === 200 });
  // A seller's token may not compare the stores; an operator's may.
  if (report.status === 403) console.warn('verify was left out: it needs a token of the role operator');
  else check(report, { 'at the end: line, stock, orders, events and payments agree': (answer) => answer.json('differences') === 0 });
  if (report.status === 200 && report.json('differences') !== 0) console.error(`verify found: ${report.body}`);
  if (!conserved) console.error(`units do not add up: ${JSON.stringify({ count, orders, conservation })}`);
}

/** Asks again until it is true; what takes too long fails a check. */
export function until(what, ask, withinSeconds = 30) {
  const deadline = Date.now() + withinSeconds * 1000;
  let isTrue = ask();
  while (!isTrue && Date.now() < deadline) {
    sleep(0.2);
    isTrue = ask();
  }
  check(isTrue, { [`in time: ${what}`]: (answer) => answer === true });
}
