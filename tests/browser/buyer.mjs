// One function per thing a buyer does. Forms are found by what they do (their action), states by what the page says.

import { until } from './shop.mjs';
import { WORDS } from './words.mjs';

const form = (page, action) => page.locator(`form[action$="${action}"]`);

function said(visitor, word) {
  return visitor.page.locator('main').getByText(WORDS[visitor.lang][word]).filter({ visible: true }).first();
}

/** Waits for a locator: with JavaScript the page changes by itself, without it the person looks again. */
export async function see(visitor, locator) {
  if (visitor.javaScript) return locator.waitFor();
  await until(`${locator} on ${visitor.page.url()}`, async () => {
    if (await locator.isVisible()) return true;
    await visitor.page.reload();
    return locator.isVisible();
  }, 30_000);
}

/** The state in words, which the page's first heading says. */
export async function seeState(visitor, word) {
  const name = WORDS[visitor.lang][word];
  await see(visitor, visitor.page.getByRole('heading', { level: 1, name, exact: true }));
}

/** A sentence of the page below its heading. */
export async function seeSaid(visitor, word) {
  await see(visitor, said(visitor, word));
}

/** Presses a form's button, opening what it is folded away in first, and waits for the page that follows. */
export async function press(locator) {
  const folded = locator.locator('xpath=ancestor::details[not(@open)]');
  if (await folded.count()) await folded.first().locator('summary').click();
  const next = locator.page().waitForEvent('domcontentloaded');
  await locator.click();
  await next;
}

export async function visitSale(visitor, sale) {
  await visitor.page.goto(`/sales/${sale}`);
}

export async function join(visitor, sale) {
  await visitSale(visitor, sale);
  await press(form(visitor.page, `/sales/${sale}/join`).getByRole('button').first());
  await visitor.page.waitForURL(`**/sales/${sale}/line*`);
}

/** Asks for the own place by the page's button, as a person without JavaScript does. */
export async function checkPlace(visitor) {
  const words = WORDS[visitor.lang].check;
  const button = visitor.page.getByRole('button', { name: words }).or(visitor.page.getByRole('link', { name: words }));
  await button.first().click();
  await visitor.page.waitForLoadState();
}

export function leaveButton(visitor) {
  return form(visitor.page, '/line/leave').getByRole('button', { includeHidden: true }).first();
}

export function enterButton(visitor) {
  return form(visitor.page, '/enter').getByRole('button').filter({ visible: true }).first();
}

export async function awaitTurn(visitor) {
  await see(visitor, enterButton(visitor));
}

export async function enter(visitor, sale) {
  await awaitTurn(visitor);
  await press(enterButton(visitor));
  await visitor.page.waitForURL(`**/sales/${sale}/checkout*`);
}

/** Reserves units of the story's one item; ends where the payment is chosen. */
export async function reserve(visitor, { quantity = 1, email } = {}) {
  const { page } = visitor;
  const checkout = form(page, '/checkout');
  await choose(checkout, 'quantity_pair', String(quantity));
  if (email) await checkout.locator('[name="email"]').fill(email);
  await press(checkout.getByRole('button').last());
  await payForm(visitor).waitFor();
}

export function payForm(visitor) {
  return form(visitor.page, '/pay').first();
}

export async function pay(visitor, method) {
  const choices = payForm(visitor);
  const button = choices.locator(`button[name="method"][value="${method}"]`);
  if (await button.count()) {
    await press(button);
  } else {
    await choose(choices, 'method', method);
    await press(choices.getByRole('button').last());
  }
  await visitor.page.waitForURL('**/orders/*');
}

/** Fills a field whatever its kind: a list, radio buttons, or a box to type into. */
async function choose(parent, name, value) {
  const field = parent.locator(`[name="${name}"]`);
  const kind = await field.first().evaluate((element) => (element.tagName === 'SELECT' ? 'select' : element.type));
  if (kind === 'select') await field.selectOption(value);
  else if (kind === 'radio') await parent.locator(`[name="${name}"][value="${value}"]`).check();
  else if (kind !== 'hidden') await field.fill(value);
}

/** From the sale's page to a reserved unit, for stories that begin there. */
export async function walkToPayment(visitor, sale) {
  await join(visitor, sale);
  await enter(visitor, sale);
  await reserve(visitor);
}
