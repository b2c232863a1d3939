// The clients of a run: the seller with a token, and buyers without cookies, each a session of its own by its
// Idempotency-Key. Buyers keep the poll discipline of the API: poll_after_ms times 0.8 to 1.2, the own standing only when
// the number may have been called, and once when the epoch changes.

import { sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';

import { LATENCY, SightOfLine, sawFrame, sawJoin, sawPasses } from './checks.js';

export const ORIGIN = (__ENV.OPENRUN_URL || 'http://localhost:8080').replace(/\/+$/, '');
const TOKEN = __ENV.OPENRUN_TOKEN;

const TIMEOUT = '30s';
// How often a call is made again that was answered "later" (429, 503) or not at all.
const MOST_TRIES = 8;
const LONGEST_RETRY_SECONDS = 5;
const ORDER_POLL_SECONDS = 0.5;
const FINAL = ['paid', 'expired', 'cancelled', 'payment_failed', 'refund_pending', 'refunded', 'needs_review'];

const json = (body) => (body === undefined ? null : JSON.stringify(body));

/** A jar that is thrown away: a cookie of one buyer must not speak for the next one of the same VU. */
function params(call, headers = {}) {
  return { headers, jar: new http.CookieJar(), tags: { name: call, call }, timeout: TIMEOUT, redirects: 0 };
}

/** A random time around a middle, so that a crowd does not ask in step. */
export function jitter(seconds) {
  return seconds * (0.8 + Math.random() * 0.4);
}

/** A call that is made again when the answer says so, as any good client does. */
function patiently(ask) {
  for (let tried = 1; ; tried += 1) {
    const answer = ask();
    const later = answer.status === 0 || answer.status === 429 || answer.status === 503;
    if (!later || tried === MOST_TRIES) return answer;
    LATENCY.askedAgain.add(1);
    sleep(jitter(Math.min(LONGEST_RETRY_SECONDS, Number(answer.headers['Retry-After']) || 1)));
  }
}

/** A call of the seller's, with the token of the environment. */
export function asSeller(method, path, body) {
  if (!TOKEN) exec.test.abort('needs a token in OPENRUN_TOKEN; `openrun token --role operator` prints one');
  const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' };
  return patiently(() => http.request(method, ORIGIN + path, json(body), params('seller', headers)));
}

export function readFrame(sale, etag) {
  const headers = etag ? { 'If-None-Match': etag } : {};
  return http.get(`${ORIGIN}/v1/sales/${sale}/frame`, params('frame', headers));
}

/** The document that everybody sees, kept while the server says that it has not changed. */
export class Frames {
  constructor(sale) {
    this.sale = sale;
    this.etag = undefined;
    this.frame = undefined;
  }

  /** What the line shows now; of two frames of one epoch the one with the higher tick is the newer. */
  now(data) {
    const answer = patiently(() => readFrame(this.sale, this.etag));
    if (data) LATENCY.took(answer, 'frame', data);
    if (answer.status === 200) {
      const frame = answer.json();
      const isOlder = this.frame && (frame.epoch < this.frame.epoch || (frame.epoch === this.frame.epoch && frame.tick < this.frame.tick));
      if (!isOlder) {
        this.frame = frame;
        this.etag = answer.headers.Etag;
        sawFrame(frame);
      }
    }
    return this.frame;
  }
}

/** Whether nobody else will be called. */
export function isOver(frame) {
  return ['sold_out', 'draining', 'closed'].includes(frame.state);
}

export class Buyer {
  constructor(data, name = `${exec.scenario.name}-${exec.scenario.iterationInTest}`) {
    this.data = data;
    this.sale = data.sale.id;
    this.key = `${this.sale}-${name}`;
    this.frames = new Frames(this.sale);
    this.sight = new SightOfLine();
  }

  /** The answer to a join; the place is kept. */
  join() {
    const ask = () => this.ask('POST', 'join', this.path('tickets'), { key: this.key });
    const answer = patiently(ask);
    if (answer.status === 200 || answer.status === 201) {
      const { id, ticket, number } = answer.json();
      sawJoin(this.place, { id, number, isNew: answer.status === 201 }, this.frames.frame);
      this.place = { id, ticket, number };
    }
    return answer;
  }

  standing() {
    const asked = Date.now();
    const answer = patiently(() => this.ask('GET', 'standing', this.path('tickets/self'), { bearer: this.place.ticket }));
    if (answer.status !== 200) return undefined;
    const standing = answer.json();
    this.sight.standing(standing, this.place.number, this.frames.frame, asked);
    return standing;
  }

  /** The frame, and the place in line that follows from it. */
  look() {
    const frame = this.frames.now(this.data);
    if (frame && this.place) this.sight.frame(frame, this.place.number);
    return frame;
  }

  /**
   * Waits in line until called; answers the state then: `called`, `over` when nobody else will be, or `waiting` when the
   * patience ends.
   */
  awaitCall(patienceSeconds) {
    const deadline = Date.now() + patienceSeconds * 1000;
    let epoch;
    while (Date.now() < deadline) {
      const frame = this.look();
      if (frame) {
        const mayBeCalled = this.place.number <= frame.serving;
        const isNewEpoch = epoch !== undefined && epoch !== frame.epoch;
        epoch = frame.epoch;
        const standing = mayBeCalled || isNewEpoch ? this.standing() : undefined;
        if (standing && !['waiting', 'late'].includes(standing.state)) return standing.state;
        if (isOver(frame)) return 'over';
      }
      sleep(jitter((frame ? frame.poll_after_ms : 1000) / 1000));
    }
    return 'waiting';
  }

  /** Asks twice at once for the pass, as two tabs do; both must be told the same one. */
  enter() {
    const url = ORIGIN + this.path('passes');
    const one = () => ['POST', url, null, params('enter', { Authorization: `Bearer ${this.place.ticket}` })];
    let answer;
    patiently(() => {
      const [first, second] = http.batch([one(), one()]);
      answer = [first, second].find(({ status }) => status === 200 || status === 201) || first;
      LATENCY.took(answer, 'enter', this.data);
      this.passIds = sawPasses(this.passIds, [first, second]);
      return answer;
    });
    if (answer.status === 200 || answer.status === 201) this.pass = answer.json('pass');
    return answer;
  }

  reserve(key = `${this.key}-order`) {
    const body = { lines: [{ item: this.data.sale.items[0].id, quantity: 1 }] };
    const answer = patiently(() => this.ask('POST', 'reserve', this.path('orders'), { bearer: this.pass, key, body }));
    if (answer.status === 200 || answer.status === 201) this.order = answer.json('id');
    return answer;
  }

  pay(method, key = `${this.key}-pay-${method}`) {
    const path = `/v1/orders/${this.order}/payments`;
    return patiently(() => this.ask('POST', 'pay', path, { bearer: this.pass, key, body: { method } }));
  }

  cancel() {
    return patiently(() => this.ask('POST', 'cancel', `/v1/orders/${this.order}/cancel`, { bearer: this.pass }));
  }

  leave() {
    return patiently(() => this.ask('DELETE', 'leave', this.path('tickets/self'), { bearer: this.place.ticket }));
  }

  /** The order as its buyer sees it, with the ticket: the pass may have run out. */
  seeOrder() {
    const answer = patiently(() => this.ask('GET', 'order', `/v1/orders/${this.order}`, { bearer: this.place.ticket }));
    return answer.status === 200 ? answer.json() : undefined;
  }

  /** Looks at the order until its state is one of these, and answers the last state seen. */
  awaitOrder(patienceSeconds, states = FINAL) {
    const deadline = Date.now() + patienceSeconds * 1000;
    let state;
    while (Date.now() < deadline) {
      const order = this.seeOrder();
      state = order ? order.state : state;
      if (states.includes(state)) break;
      sleep(jitter(ORDER_POLL_SECONDS));
    }
    return state;
  }

  path(step) {
    return `/v1/sales/${this.sale}/${step}`;
  }

  ask(method, call, path, { bearer, key, body } = {}) {
    const headers = {};
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    if (key) headers['Idempotency-Key'] = key;
    if (body) headers['Content-Type'] = 'application/json';
    const answer = http.request(method, ORIGIN + path, json(body), params(call, headers));
    LATENCY.took(answer, call, this.data);
    return answer;
  }
}
