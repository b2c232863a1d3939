// Last unit: far more people inside than there are units, and all reserve at the same moment. Exactly as many orders as
// units; the others hear that it is sold out, and so does everybody in line.

import { check, sleep } from 'k6';

import { OUTCOMES, PROMISES, broken, thresholds, toTheEnd, usePassAgain } from './lib/checks.js';
import { Buyer } from './lib/client.js';
import { PATIENCE_SECONDS, begin, end, number } from './lib/data.js';
import { summary } from './lib/summary.js';
import * as walk from './lib/walk.js';
import { witness, witnessScenario } from './lib/witness.js';

const UNITS = number('UNITS', 1);
// Calls are backed by units; the most that a seller may call beyond them is ten for each.
const OVERCALL = 10;
const BUYERS = number('BUYERS', UNITS * (1 + OVERCALL) + 5);
const ARRIVAL_SECONDS = 2;
// By then everybody who is let in is inside.
const RESERVE_AFTER_SECONDS = number('RESERVE_AFTER_SECONDS', 8);

export const options = {
  scenarios: {
    buyers: {
      executor: 'constant-arrival-rate',
      rate: Math.ceil(BUYERS / ARRIVAL_SECONDS),
      timeUnit: '1s',
      duration: `${ARRIVAL_SECONDS}s`,
      preAllocatedVUs: BUYERS + ARRIVAL_SECONDS,
      gracefulStop: `${PATIENCE_SECONDS}s`,
    },
    witness: witnessScenario(ARRIVAL_SECONDS + PATIENCE_SECONDS),
  },
  thresholds: thresholds({ units: UNITS, own: { openrun_reserved: [`count==${UNITS}`], openrun_paid: [`count==${UNITS}`] } }),
  teardownTimeout: '120s',
};

export function setup() {
  return begin('last_unit', {
    units: UNITS,
    hold_seconds: 60,
    pass_seconds: 120,
    admission: { mode: 'manual', per_minute: 60 * 100 * UNITS, max_active: 100 * UNITS, overcall: OVERCALL },
  });
}

export default toTheEnd((data) => {
  const buyer = new Buyer(data);
  if (!walk.join(buyer) || !walk.comeIn(buyer)) return;
  const wait = data.startedAt + RESERVE_AFTER_SECONDS * 1000 - Date.now();
  if (wait > 0) sleep(wait / 1000);
  const answer = buyer.reserve();
  if (answer.status === 201) won(buyer);
  else lost(buyer, answer);
});

function won(buyer) {
  OUTCOMES.reserved.add(1);
  usePassAgain(buyer);
  walk.pay(buyer);
}

const isSoldOut = (answer) => answer.status === 409 && answer.json('code') === 'sold_out';

/** A refusal consumes nothing: the pass is as good as before, and refused for the same reason. */
function lost(buyer, answer) {
  check(answer, { 'who comes too late hears that it is sold out': isSoldOut });
  const again = buyer.reserve(`${buyer.key}-once-more`);
  if (again.status === 201) broken(PROMISES.oversold, `a unit was found after the last one was taken: ${again.body}`);
  check(again, { 'a refused pass stays good': isSoldOut });
}

export const watch = toTheEnd((data) => {
  witness(data, { arrivalsMs: RESERVE_AFTER_SECONDS * 1000, patienceSeconds: PATIENCE_SECONDS });
});

export function teardown(data) {
  end(data);
}

export const handleSummary = summary('last_unit');
