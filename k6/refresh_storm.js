// Refresh storm: a waiting crowd that presses F5, on pages and on the frame, with the cookies of a browser. Nobody's place
// changes, and nobody gets a second one.

import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';

import { LATENCY, OUTCOMES, PROMISES, broken, thresholds, toTheEnd } from './lib/checks.js';
import { Frames, ORIGIN } from './lib/client.js';
import { begin, end, number } from './lib/data.js';
import { summary } from './lib/summary.js';
import { witness, witnessScenario } from './lib/witness.js';

const PAGES_PER_SECOND = number('PAGES_PER_SECOND', 100);
const FRAMES_PER_SECOND = number('FRAMES_PER_SECOND', 400);
const VISITORS = number('VISITORS', 100);
const SECONDS = number('SECONDS', 20);

// One reload in so many is a second press on "join".
const JOINS_AGAIN_EVERY = 4;
const UNITS = 10;

const storm = (what, rate, vus) => ({
  exec: what,
  executor: 'constant-arrival-rate',
  rate,
  timeUnit: '1s',
  duration: `${SECONDS}s`,
  preAllocatedVUs: vus,
});

export const options = {
  scenarios: {
    pages: storm('pages', PAGES_PER_SECOND, VISITORS),
    frames: storm('frames', FRAMES_PER_SECOND, VISITORS),
    witness: witnessScenario(SECONDS + 10),
  },
  thresholds: thresholds({ units: 0, line: ['page', 'frame', 'join_again'], checkout: [] }),
  // The cookies of a visitor stay with its VU.
  noCookiesReset: true,
  setupTimeout: '60s',
  teardownTimeout: '120s',
};

export function setup() {
  // Nobody is called, so every place must stay as it is.
  return begin('refresh_storm', { units: UNITS, admission: { mode: 'manual', per_minute: 0, max_active: 1, overcall: 0 } });
}

// The visitor of this VU.
let visitor;
let watched;

/** A reload of the waiting page; now and then the person presses "join" once more. */
export const pages = toTheEnd((data) => {
  if (!visitor) {
    visitor = { place: press(data, 'join_first') };
    check(visitor.place, { 'the first join leads to a place in line': (place) => place > 0 });
    OUTCOMES.joined.add(1);
    return;
  }
  const joinsAgain = exec.vu.iterationInInstance % JOINS_AGAIN_EVERY === 0;
  const place = joinsAgain ? press(data, 'join_again') : numberOn(visit(data, `/sales/${data.sale.id}/line`, 'page'));
  check(place, { 'every reload shows a place': (shown) => shown > 0 });
  if (place > 0 && place !== visitor.place) broken(PROMISES.placeRose, `number ${visitor.place} became ${place}`);
});

/** Presses "join" and follows to the line, as a browser does; answers the number on the page. */
function press(data, call) {
  const answer = http.post(`${ORIGIN}/sales/${data.sale.id}/join`, null, {
    headers: { 'Sec-Fetch-Site': 'same-origin' },
    redirects: 0,
    tags: { name: call, call },
  });
  LATENCY.took(answer, call, data);
  check(answer, { 'a press on join leads to the line': ({ status, headers }) => status === 303 && headers.Location.includes('/line') });
  return numberOn(visit(data, `/sales/${data.sale.id}/line`, 'page'));
}

function visit(data, path, call) {
  const answer = http.get(ORIGIN + path, { tags: { name: call, call } });
  LATENCY.took(answer, call, data);
  check(answer, { 'every page is answered': ({ status }) => status === 200 });
  return answer;
}

/** The number of the ticket that the page says to its script. */
function numberOn({ body }) {
  const found = /"number":(\d+)/.exec(body || '');
  return found ? Number(found[1]) : 0;
}

/** A poll of the frame, far more often than anybody should. */
export const frames = toTheEnd((data) => {
  watched = watched || new Frames(data.sale.id);
  check(watched.now(data), { 'every poll knows the frame': (frame) => frame !== undefined && frame.serving === 0 });
});

export const watch = toTheEnd((data) => {
  witness(data, { arrivalsMs: SECONDS * 1000, patienceSeconds: 0 });
});

export function teardown(data) {
  end(data);
}

export const handleSummary = summary('refresh_storm');
