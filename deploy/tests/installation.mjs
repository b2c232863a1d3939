// The roles of docker-compose.yml, started by hand as the file says, behind a real nginx with the file's own configuration:
// only addresses are those of this machine. Needs OPENRUN_TEST_DATABASE_URL, _QUEUE_URL and _EVENTS_URL.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

import { BINARY, bareEnvironment, freePort, item, makeDatabase, needed, until } from '../../tests/browser/shop.mjs';
import { ROOT, openruns, read, rolesOf } from './composed.mjs';

const run = promisify(execFile);

// A step of the way, from one store to the next; a machine that builds beside it is slow.
export const STEP_WITHIN_MS = 30_000;

/** The whole installation, in one folder. */
export class Installation {
  static async start() {
    const made = new Installation();
    try {
      await made.begin();
      return made;
    } catch (error) {
      await made.remove();
      throw error;
    }
  }

  async begin() {
    this.processes = new Map();
    this.folder = await mkdtemp(join(tmpdir(), 'openrun-gateway-'));
    const name = `gateway_${randomBytes(6).toString('hex')}`;
    this.database = await makeDatabase(name);
    await writeFile(join(this.folder, 'database_url'), this.database.url);
    const running = openruns().filter(([, service]) => rolesOf(service).length > 0);
    const ports = await Promise.all([...Array(2 * running.length + 1)].map(() => freePort()));
    this.origin = `http://localhost:${ports.pop()}`;
    this.mails = await catchMails();
    this.services = new Map(running.map(([name, service]) => [name, { service, port: ports.pop(), opsPort: ports.pop() }]));
    this.stores = {
      OPENRUN_PUBLIC_URL: this.origin,
      OPENRUN_DATABASE_URL_FILE: join(this.folder, 'database_url'),
      OPENRUN_QUEUE_URL: needed('OPENRUN_TEST_QUEUE_URL'),
      OPENRUN_EVENTS_URL: `${needed('OPENRUN_TEST_EVENTS_URL').replace(/\/+$/, '')}/${name}`,
      OPENRUN_MAIL_URL: `smtp://127.0.0.1:${this.mails.port}?from=shop@example.com`,
      OPENRUN_KEYS_FILE: join(this.folder, 'keys.json'),
      OPENRUN_TRUSTED_PROXIES: '127.0.0.0/8,::1/128',
    };
    // Twice, because compose starts them with every `up`.
    for (const name of ['keys', 'migrate', 'keys', 'migrate']) await this.runToItsEnd(name);
    for (const name of this.services.keys()) this.serve(name);
    await Promise.all([...this.services.keys()].map((name) => this.ready(name)));
    await this.startNginx();
    this.token = await this.once('checkout', 'token', '--role', 'operator');
  }

  /** What the file says of a service, with the addresses of this machine. */
  environment(name) {
    const { environment } = Object.fromEntries(openruns())[name];
    const { port, opsPort } = this.services.get(name) ?? {};
    const listen = port ? { OPENRUN_LISTEN: `127.0.0.1:${port}`, OPENRUN_OPS_LISTEN: `127.0.0.1:${opsPort}` } : {};
    return { ...bareEnvironment(), ...environment, ...this.stores, ...listen };
  }

  /** A service that ends by itself, as its container runs it. */
  runToItsEnd(name) {
    const { entrypoint = ['openrun'], command } = Object.fromEntries(openruns())[name];
    const [program, ...args] = [...entrypoint, ...command];
    const env = this.environment(name);
    return run(program, args, { cwd: this.folder, env: { ...env, PATH: `${dirname(BINARY)}:${env.PATH}` } });
  }

  async once(name, ...args) {
    const { stdout } = await run(BINARY, args, { cwd: this.folder, env: this.environment(name) });
    return stdout.trim();
  }

  serve(name) {
    this.spawn(name, BINARY, this.services.get(name).service.command, this.environment(name));
  }

  /** Asked as the container's health check asks. */
  ready(name) {
    const { opsPort } = this.services.get(name);
    return until(`${name} is ready`, async () => {
      if (this.processes.get(name).end) throw new Error(`${name} ended before it was ready:\n${await this.log(name)}`);
      return run(join(ROOT, 'deploy/ready'), [String(opsPort)]).then(() => true, () => false);
    });
  }

  async startNginx() {
    let conf = read('deploy/nginx.conf');
    for (const [name, { port }] of this.services) conf = conf.replaceAll(`server ${name}:8080`, `server 127.0.0.1:${port}`);
    conf = conf.replace('listen 8080;', `listen ${new URL(this.origin).port};`).replaceAll('/tmp/', `${this.folder}/`);
    assert.ok(!conf.includes(':8080'), 'every address of the file was rewritten');
    const file = join(this.folder, 'nginx.conf');
    await writeFile(file, conf);
    this.spawn('nginx', 'nginx', ['-c', file, '-p', this.folder, '-g', 'daemon off;'], bareEnvironment());
    await until('nginx answers', async () => {
      if (this.processes.get('nginx').end) throw new Error(`nginx did not start:\n${await this.log('nginx')}`);
      return (await fetch(`${this.origin}/gateway`).catch(() => undefined))?.ok;
    });
  }

  spawn(name, program, args, env) {
    const log = openSync(join(this.folder, `${name}.log`), 'a');
    const child = spawn(program, args, { cwd: this.folder, env, stdio: ['ignore', log, log] });
    closeSync(log);
    const process = { child };
    process.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve({ error }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    }).then((end) => (process.end = end));
    this.processes.set(name, process);
  }

  /** Asks a process to end; answers how it did. */
  async stop(name) {
    const { child, ended } = this.processes.get(name);
    child.kill('SIGTERM');
    return Promise.race([ended, pause(STEP_WITHIN_MS, undefined, { ref: false })]);
  }

  async log(name) {
    return (await readFile(join(this.folder, `${name}.log`), 'utf8')).split('\n').slice(-20).join('\n');
  }

  /** A call through the gateway. */
  ask(method, path, { bearer, key, body, headers = {}, ...others } = {}) {
    const own = { ...headers };
    if (bearer) own.authorization = `Bearer ${bearer}`;
    if (key) own['idempotency-key'] = key;
    if (body) own['content-type'] = 'application/json';
    return fetch(this.origin + path, { method, headers: own, body: body && JSON.stringify(body), redirect: 'manual', ...others });
  }

  async answered(wanted, ...asked) {
    const answer = await this.ask(...asked);
    const text = await answer.text();
    assert.equal(answer.status, wanted, `${asked[0]} ${asked[1]}: ${text}`);
    return text && JSON.parse(text);
  }

  async openSale(changes = {}) {
    const id = `gateway-${randomBytes(4).toString('hex')}`;
    const sale = {
      id,
      name: { ko: '한정판 운동화', en: 'Limited sneaker' },
      opens_at: '2026-01-01T00:00:00Z',
      items: [item(10)],
      per_buyer_limit: 1,
      admission: { mode: 'manual', per_minute: 600, max_active: 200 },
      ...changes,
    };
    await this.answered(201, 'POST', '/v1/sales', { bearer: this.token, body: sale });
    await until(`${id} is open`, async () => (await this.answered(200, 'GET', `/v1/sales/${id}`)).state === 'open', STEP_WITHIN_MS);
    return id;
  }

  async remove() {
    // Its workers would outlive a master that is killed.
    if (this.processes.has('nginx')) await this.stop('nginx');
    for (const { child, ended } of this.processes.values()) {
      child.kill('SIGKILL');
      await ended;
    }
    await this.mails?.close();
    await this.database?.drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A mail server that takes every mail; enough of SMTP for one that sends. */
async function catchMails() {
  const caught = [];
  const server = createServer((socket) => {
    let inMail = false;
    let text = '';
    const say = (line) => socket.write(`${line}\r\n`);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk;
      for (let end; (end = text.indexOf(inMail ? '\r\n.\r\n' : '\r\n')) >= 0; ) {
        const line = text.slice(0, end);
        text = text.slice(end + (inMail ? 5 : 2));
        if (inMail) {
          caught.push(line);
          inMail = false;
          say('250 taken');
        } else if (line === 'DATA') {
          inMail = true;
          say('354 go on');
        } else if (line === 'QUIT') {
          say('221 bye');
          socket.end();
        } else say('250 ok');
      }
    });
    say('220 catcher');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { caught, port: server.address().port, close: () => new Promise((resolve) => server.close(resolve)) };
}
