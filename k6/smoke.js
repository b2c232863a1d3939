// Smoke: a few buyers, one a second, each from the end of the line to a paid order, and every answer on the way is looked at.

import { check } from 'k6';

import { ahead, thresholds, toTheEnd } from './lib/checks.js';
import { Buyer, asSeller, readFrame } from './lib/client.js';
import { PATIENCE_SECONDS, begin, end, number } from './lib/data.js';
import { summary } from './lib/summary.js';
import * as walk from './lib/walk.js';
import { witness, witnessScenario } from './lib/witness.js';

const BUYERS = number('BUYERS', 5);
const UNITS = number('UNITS', 20);

export const options = {
  scenarios: {
    buyers: {
      executor: 'constant-arrival-rate',
      rate: 1,
      timeUnit: '1s',
      duration: `${BUYERS}s`,
      preAllocatedVUs: BUYERS + 1,
      gracefulStop: `${PATIENCE_SECONDS}s`,
    },
    witness: witnessScenario(BUYERS + PATIENCE_SECONDS),
  },
  // At least, because the first of a second's arrivals comes at its start.
  thresholds: thresholds({ units: UNITS, own: { openrun_paid: [`count>=${BUYERS}`] } }),
  teardownTimeout: '120s',
};

export function setup() {
  const data = begin('smoke', { units: UNITS });
  const sale = asSeller('GET', `/v1/sales/${data.sale.id}`);
  check(sale, {
    'the sale is open with all its units': (answer) => answer.json('state') === 'open' && answer.json('items.0.left') === UNITS,
  });
  return data;
}

export default toTheEnd((data) => {
  const buyer = new Buyer(data);
  if (!walk.join(buyer)) return;
  keepsTheSamePlace(buyer);
  frameIsTheSameForAll(buyer);
  if (walk.comeIn(buyer) && walk.reserve(buyer)) {
    secondAskIsTheSameOrder(buyer);
    walk.pay(buyer);
    check(buyer.seeOrder(), { 'a paid order tells its history': (order) => order.history.some(({ state }) => state === 'paid') });
  }
});

function keepsTheSamePlace(buyer) {
  const { number: first, id } = buyer.place;
  const again = buyer.join();
  check(again, { 'a second join finds the same ticket': (answer) => answer.status === 200 && answer.json('number') === first && answer.json('id') === id });
  const standing = buyer.standing();
  check(standing, { 'the own standing has the number and a state': (seen) => seen !== undefined && seen.number === first && Boolean(seen.state) });
}

function frameIsTheSameForAll(buyer) {
  const frame = buyer.look();
  check(frame, {
    'the frame is of this sale': (seen) => seen.sale === buyer.sale && seen.histogram.bucket > 0 && seen.poll_after_ms > 0,
    'the frame knows a place for everybody': (seen) => ahead(seen, seen.last_number + 1) <= seen.waiting + 1,
  });
  const tag = readFrame(buyer.sale).headers.Etag;
  check(readFrame(buyer.sale, tag), { 'an unchanged frame is 304': ({ status, headers }) => status === 304 || headers.Etag !== tag });
}

function secondAskIsTheSameOrder(buyer) {
  const first = buyer.order;
  check(buyer.reserve(), { 'the same key finds the same order': (answer) => answer.status < 300 && answer.json('id') === first });
}

export const watch = toTheEnd((data) => {
  witness(data, { arrivalsMs: BUYERS * 1000, patienceSeconds: PATIENCE_SECONDS });
});

export function teardown(data) {
  end(data);
}

export const handleSummary = summary('smoke');
