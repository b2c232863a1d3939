// One running openrun for a story: in a temporary folder, on a free port, with the embedded adapters or, when
// OPENRUN_TEST_STORIES=live, on the engines that OPENRUN_TEST_DATABASE_URL, _QUEUE_URL and _EVENTS_URL name.

import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { openSync, closeSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const BINARY = process.env.OPENRUN_BIN ?? fileURLToPath(new URL('../../target/debug/openrun', import.meta.url));
const LIVE = process.env.OPENRUN_TEST_STORIES === 'live';
const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 20_000;
const POLL_MS = 50;

/** Asks again until the answer is true or of use; the one place that polls. */
export async function until(what, ask, withinMs = READY_WITHIN_MS) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await pause(POLL_MS);
  }
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`OPENRUN_TEST_STORIES=live needs ${name}; ./test sets it, or see ./engines env`);
  return value;
}

/** A database of its own for each shop, on the given server. */
export async function makeDatabase(name) {
  const server = new URL(needed('OPENRUN_TEST_DATABASE_URL'));
  const sql = (statement) => run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', server.href, '-c', statement]);
  await sql(`create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => sql(`drop database if exists ${name} with (force)`) };
}

async function engines() {
  if (!LIVE) return { env: {}, args: [], release: async () => {} };
  const name = `story_${randomBytes(6).toString('hex')}`;
  const database = await makeDatabase(name);
  const env = {
    OPENRUN_DATABASE_URL: database.url,
    OPENRUN_QUEUE_URL: needed('OPENRUN_TEST_QUEUE_URL'),
    // The path is a prefix for topics and groups, so that no shop meets another's events.
    OPENRUN_EVENTS_URL: `${needed('OPENRUN_TEST_EVENTS_URL').replace(/\/+$/, '')}/${name}`,
  };
  return { env, args: ['--migrate'], release: database.drop };
}

/** The environment without any OPENRUN_ name of the caller's, so that a story depends on what it says alone. */
export function bareEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OPENRUN_')));
}

/** Starts a shop and waits until it is ready; `await shop.stop()` when done. */
export async function startShop({ env = {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'openrun-story-'));
  const [port, stores] = await Promise.all([freePort(), engines()]);
  const shop = new Shop({ folder, port, stores, env });
  try {
    await shop.start();
  } catch (error) {
    await shop.remove();
    throw error;
  }
  return shop;
}

class Shop {
  constructor({ folder, port, stores, env }) {
    this.folder = folder;
    this.stores = stores;
    this.listen = `127.0.0.1:${port}`;
    this.origin = `http://localhost:${port}`;
    this.logFile = join(folder, 'openrun.log');
    this.env = {
      ...bareEnvironment(),
      OPENRUN_LISTEN: this.listen,
      OPENRUN_PUBLIC_URL: this.origin,
      OPENRUN_DATA_DIR: join(folder, 'data'),
      ...stores.env,
      ...env,
    };
  }

  async start() {
    // Beside shared engines the keys are made by hand, as an operator does it.
    if (this.stores.args.length > 0) await this.command('keys', 'init');
    const log = openSync(this.logFile, 'a');
    this.process = spawn(BINARY, ['serve', ...this.stores.args], { cwd: this.folder, env: this.env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.ended = new Promise((resolve) => {
      this.process.once('error', (error) => resolve({ error }));
      this.process.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.ended.then((end) => (this.end = end));
    await until('the shop is ready', () => this.isReady());
    this.sellerToken = await this.command('token', '--role', 'seller');
  }

  async isReady() {
    if (this.end) throw new Error(`openrun ended before it was ready (${describeEnd(this.end)}):\n${await this.log()}`);
    const answer = await fetch(`${this.origin}/readyz`).catch(() => undefined);
    return answer?.ok;
  }

  async log() {
    const text = await readFile(this.logFile, 'utf8');
    return text.split('\n').slice(-40).join('\n');
  }

  /** A command of the same binary with the same configuration; answers what it printed to stdout. */
  async command(...args) {
    const { stdout } = await run(BINARY, args, { cwd: this.folder, env: this.env });
    return stdout.trim();
  }

  /** A call of the seller's; answers the JSON, throws on anything but success. */
  async call(method, path, body) {
    const answer = await fetch(this.origin + path, {
      method,
      headers: { authorization: `Bearer ${this.sellerToken}`, ...(body && { 'content-type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  /** Opens a sale that lets people in at once; `changes` go over the example of the API's description. */
  async openSale(changes = {}) {
    const sale = {
      id: `sneaker-${randomBytes(4).toString('hex')}`,
      kind: 'open_run',
      name: { ko: '한정판 운동화', en: 'Limited sneaker' },
      opens_at: '2026-01-01T00:00:00Z',
      closes_at: null,
      items: [item(10)],
      per_buyer_limit: 1,
      hold_seconds: 300,
      admission: { mode: 'manual', per_minute: 600, max_active: 200 },
      ...changes,
    };
    await this.call('POST', '/v1/sales', sale);
    if (Date.parse(sale.opens_at) < Date.now()) {
      await until(`${sale.id} is open`, async () => (await this.call('GET', `/v1/sales/${sale.id}`)).state === 'open');
    }
    return sale.id;
  }

  /** Somebody else in the line, without a browser. */
  async joinByKey(sale, key) {
    const answer = await fetch(`${this.origin}/v1/sales/${sale}/tickets`, { method: 'POST', headers: { 'idempotency-key': key } });
    if (answer.status !== 201) throw new Error(`${key} could not join: ${answer.status} ${await answer.text()}`);
  }

  setRate(sale, perMinute, maxActive = 200) {
    return this.call('PUT', `/v1/sales/${sale}/admission`, { mode: 'manual', per_minute: perMinute, max_active: maxActive });
  }

  live(sale) {
    return this.call('GET', `/v1/sales/${sale}/live`);
  }

  /** The one-time sign-in link of the console. */
  async sellerLink(email) {
    const printed = await this.command('seller', 'add', email);
    const link = printed.match(/https?:\/\/\S+/)?.[0];
    if (!link) throw new Error(`openrun seller add printed no link: ${printed}`);
    return link;
  }

  /** Asks the shop to end, and insists that it does so in good order. */
  async stop() {
    try {
      this.process.kill('SIGTERM');
      const end = await Promise.race([this.ended, pause(STOPPED_WITHIN_MS, undefined, { ref: false })]);
      if (end?.code !== 0) throw new Error(`openrun did not end in good order (${describeEnd(end)}):\n${await this.log()}`);
    } finally {
      await this.remove();
    }
  }

  async remove() {
    if (this.process?.pid && !this.end) {
      this.process.kill('SIGKILL');
      await this.ended;
    }
    await this.stores.release();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function describeEnd(end) {
  if (!end) return 'still running';
  return end.error?.message ?? `exit code ${end.code}, signal ${end.signal}`;
}

/** A rate at which nobody is called while a story looks around: a new leader begins with a spent bucket. */
export const SLOW = { mode: 'manual', per_minute: 1, max_active: 200 };

/** The one item of a story's sale. */
export function item(units) {
  return { id: 'pair', name: { ko: '한 켤레', en: 'One pair' }, price: { amount: 189000, currency: 'KRW' }, units };
}
