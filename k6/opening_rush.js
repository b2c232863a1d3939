// Opening rush: people gather before the doors, press at the opening, and keep coming; everybody is called in order, at the
// seller's rate, until the last unit is sold.

import { check, sleep } from 'k6';

import { thresholds, toTheEnd } from './lib/checks.js';
import { Buyer } from './lib/client.js';
import { PATIENCE_SECONDS, begin, end, number } from './lib/data.js';
import { summary } from './lib/summary.js';
import * as walk from './lib/walk.js';
import { witness, witnessScenario } from './lib/witness.js';

const PEAK_PER_SECOND = number('PEAK_PER_SECOND', 50);
const GATHER_SECONDS = number('GATHER_SECONDS', 5);
const RUSH_SECONDS = number('RUSH_SECONDS', 10);
const EBB_SECONDS = number('EBB_SECONDS', 5);
const UNITS = number('UNITS', 200);
const PER_MINUTE = number('PER_MINUTE', 1200);
const MAX_ACTIVE = number('MAX_ACTIVE', 200);

const ARRIVAL_SECONDS = GATHER_SECONDS + RUSH_SECONDS + EBB_SECONDS;
// A triangle, a block and a triangle; everybody who waits is a VU of their own.
const CROWD = Math.ceil(PEAK_PER_SECOND * (GATHER_SECONDS / 2 + RUSH_SECONDS + EBB_SECONDS / 2));

export const options = {
  scenarios: {
    buyers: {
      executor: 'ramping-arrival-rate',
      startRate: 0,
      timeUnit: '1s',
      stages: [
        { target: PEAK_PER_SECOND, duration: `${GATHER_SECONDS}s` },
        { target: PEAK_PER_SECOND, duration: `${RUSH_SECONDS}s` },
        { target: 0, duration: `${EBB_SECONDS}s` },
      ],
      preAllocatedVUs: CROWD + 10,
      gracefulStop: `${2 * PATIENCE_SECONDS}s`,
    },
    witness: witnessScenario(ARRIVAL_SECONDS + 2 * PATIENCE_SECONDS),
  },
  // A crowd that is large enough buys every unit.
  thresholds: thresholds({ units: UNITS, own: CROWD >= 1.5 * UNITS ? { openrun_paid: [`count==${UNITS}`] } : {} }),
  setupTimeout: '60s',
  teardownTimeout: '120s',
};

export function setup() {
  return begin('opening_rush', {
    units: UNITS,
    // The doors open while people gather.
    opensInSeconds: GATHER_SECONDS,
    admission: { mode: 'manual', per_minute: PER_MINUTE, max_active: MAX_ACTIVE, overcall: 0 },
  });
}

export default toTheEnd((data) => {
  const buyer = new Buyer(data);
  awaitOpening(buyer);
  walk.buy(buyer);
});

/** Before the opening there is a countdown and no ticket; afterwards everybody presses at the same moment. */
function awaitOpening(buyer) {
  const opensAt = Date.parse(buyer.data.sale.opens_at);
  const untilOpening = () => (opensAt - Date.now()) / 1000;
  if (untilOpening() <= 0) return;
  const early = buyer.join();
  // The doors may have opened between the look at the clock and the answer.
  if (early.status < 300) return;
  check(early, {
    'who comes too early is told when to come': (answer) => walk.isTooEarly(answer) && Number(answer.headers['Retry-After']) >= 0,
  });
  sleep(Math.max(0, untilOpening()));
}

export const watch = toTheEnd((data) => {
  witness(data, { arrivalsMs: ARRIVAL_SECONDS * 1000, patienceSeconds: 2 * PATIENCE_SECONDS });
});

export function teardown(data) {
  end(data);
}

export const handleSummary = summary('opening_rush');
