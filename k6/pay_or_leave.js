// Pay or leave: at every step some of the buyers walk away, change their mind, or fail to pay. Each unit that was taken is
// paid for or comes back, and whoever still waits is called for it.

import { check } from 'k6';
import exec from 'k6/execution';

import { thresholds, toTheEnd } from './lib/checks.js';
import { Buyer } from './lib/client.js';
import { PATIENCE_SECONDS, begin, end, number, until } from './lib/data.js';
import { summary } from './lib/summary.js';
import * as walk from './lib/walk.js';
import { witness, witnessScenario } from './lib/witness.js';

const BUYERS_PER_SECOND = number('BUYERS_PER_SECOND', 10);
const SECONDS = number('SECONDS', 10);
const UNITS = number('UNITS', 30);
const PER_MINUTE = number('PER_MINUTE', 1200);
const HOLD_SECONDS = number('HOLD_SECONDS', 5);

const TOLD_WITHIN_SECONDS = 5;

const CROWD = BUYERS_PER_SECOND * SECONDS;

// What the buyers of the sandbox's methods and of their own will come to, one after the other, so that every run has each.
const WAYS = [
  'pays', 'pays', 'leavesTheLine', 'pays', 'isDeclined', 'cancels', 'pays', 'leavesBesideThePayment', 'pays', 'isDeclinedOnce',
  'letsTheHoldRunOut', 'pays', 'paysSlowly', 'doesNotCome', 'pays', 'timesOut', 'pays', 'leavesAfterEntering', 'pays', 'pays',
];

export const options = {
  scenarios: {
    buyers: {
      executor: 'constant-arrival-rate',
      rate: BUYERS_PER_SECOND,
      timeUnit: '1s',
      duration: `${SECONDS}s`,
      preAllocatedVUs: CROWD + 5,
      gracefulStop: `${3 * PATIENCE_SECONDS}s`,
    },
    witness: witnessScenario(SECONDS + 3 * PATIENCE_SECONDS),
  },
  thresholds: thresholds({ units: UNITS }),
  teardownTimeout: '180s',
};

export function setup() {
  return begin('pay_or_leave', {
    units: UNITS,
    hold_seconds: HOLD_SECONDS,
    // Windows as short as they may be, so that those who do not come stand in nobody's way for long.
    enter_seconds: 5,
    pass_seconds: 15,
    admission: { mode: 'manual', per_minute: PER_MINUTE, max_active: 200, overcall: 0 },
  });
}

export default toTheEnd((data) => {
  const way = WAYS[exec.scenario.iterationInTest % WAYS.length];
  const buyer = new Buyer(data);
  if (walk.join(buyer)) ways[way](buyer);
});

const reserves = (buyer) => walk.comeIn(buyer) && walk.reserve(buyer);

const ways = {
  pays: (buyer) => reserves(buyer) && walk.pay(buyer),
  paysSlowly: (buyer) => reserves(buyer) && walk.pay(buyer, 'sandbox_slow', ['paid', 'expired', 'refunded']),
  isDeclined: (buyer) => reserves(buyer) && walk.pay(buyer, 'sandbox_declined', ['payment_failed']),

  /** The first attempt brings the order back to the choice of the payment, the second one succeeds. */
  isDeclinedOnce(buyer) {
    if (!reserves(buyer)) return;
    if (walk.pay(buyer, 'sandbox_declined_once', ['pending_payment']) !== 'pending_payment') return;
    // The hold may have run out meanwhile.
    const again = buyer.pay('sandbox_declined_once', `${buyer.key}-second-attempt`);
    check(again, { 'a second attempt is accepted while the hold lives': ({ status }) => status === 202 || status === 409 });
    walk.settle(buyer, 'a second attempt', ['paid', 'expired']);
  },

  /** Charged without an answer: the provider is asked again, and the order ends paid or the money goes back. */
  timesOut: (buyer) => reserves(buyer) && walk.pay(buyer, 'sandbox_timeout', ['paid', 'expired', 'refunded']),
  leavesBesideThePayment: (buyer) => reserves(buyer) && walk.pay(buyer, 'sandbox_leave', ['expired']),

  cancels(buyer) {
    if (!reserves(buyer)) return;
    check(buyer.cancel(), { 'an unpaid order can be cancelled': ({ status }) => status === 202 });
    walk.settle(buyer, 'a cancelled order', ['cancelled']);
  },

  letsTheHoldRunOut: (buyer) => reserves(buyer) && walk.settle(buyer, 'a hold that runs out', ['expired']),
  leavesAfterEntering: (buyer) => walk.comeIn(buyer),
  doesNotCome: (buyer) => buyer.awaitCall(PATIENCE_SECONDS),

  leavesTheLine(buyer) {
    check(buyer.leave(), { 'whoever leaves the line is let go': ({ status }) => status === 204 });
    // Another waiting room hears of it with the next frame.
    until('who left has left, in every waiting room', () => buyer.standing()?.state === 'left', TOLD_WITHIN_SECONDS);
  },
};

export const watch = toTheEnd((data) => {
  witness(data, { arrivalsMs: SECONDS * 1000, patienceSeconds: 3 * PATIENCE_SECONDS });
});

export function teardown(data) {
  end(data);
}

export const handleSummary = summary('pay_or_leave');
