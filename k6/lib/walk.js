// The steps of a buyer with the answers that they must get. Each says whether the way goes on.

import { check, sleep } from 'k6';

import { OUTCOMES, usePassAgain } from './checks.js';
import { PATIENCE_SECONDS } from './data.js';

const MOST_TRIES = 20;

export const isTooEarly = (answer) => answer.status === 409 && answer.json('code') === 'sale_not_open';
const isGiven = ({ status }) => status === 200 || status === 201;

export function join(buyer) {
  // The page that people come from shows the frame.
  buyer.look();
  let answer = buyer.join();
  // Whose clock is ahead of the server's comes a moment too early.
  for (let tried = 1; tried < MOST_TRIES && isTooEarly(answer); tried += 1) {
    sleep(Math.random() * 0.5);
    answer = buyer.join();
  }
  // The sale may have been sold out while this one was on the way.
  if (answer.status === 410) return false;
  if (!check(answer, { 'a join is answered with a ticket': isGiven })) return false;
  OUTCOMES.joined.add(1);
  return true;
}

/** Waits until called, and enters; false when the sale ended first. */
export function comeIn(buyer) {
  const state = buyer.awaitCall(PATIENCE_SECONDS);
  check(state, { 'everybody is called, or told that it is over': () => state === 'called' || state === 'over' });
  return state === 'called' && enter(buyer);
}

function enter(buyer) {
  const answer = buyer.enter();
  if (!check(answer, { 'who is called gets a pass': isGiven })) return false;
  OUTCOMES.admitted.add(1);
  return true;
}

/** Reserves a unit, once with each pass. */
export function reserve(buyer) {
  const answer = buyer.reserve();
  if (!check(answer, { 'who is inside gets a unit': isGiven })) return false;
  OUTCOMES.reserved.add(1);
  return true;
}

/** Pays, and waits for what becomes of the order. */
export function pay(buyer, method = 'sandbox_ok', becomes = ['paid']) {
  const answer = buyer.pay(method);
  if (!check(answer, { 'a payment is accepted': ({ status }) => status === 202 })) return undefined;
  return settle(buyer, `an order with ${method}`, becomes);
}

/** Waits until the order has one of these states. */
export function settle(buyer, what, becomes) {
  const state = buyer.awaitOrder(PATIENCE_SECONDS, becomes);
  check(state, { [`${what} becomes ${becomes.join(' or ')}`]: () => becomes.includes(state) });
  if (state === 'paid') OUTCOMES.paid.add(1);
  return state;
}

/** The whole way, from the end of the line to a paid order. */
export function buy(buyer) {
  if (join(buyer) && comeIn(buyer) && reserve(buyer)) {
    usePassAgain(buyer);
    pay(buyer);
  }
}
