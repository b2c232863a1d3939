// The files that put Openrun onto machines agree with the program, with ./engines and with the README.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { BINARY, bareEnvironment } from '../../tests/browser/shop.mjs';
import { ROOT, compose, inProfile, openruns, read, rolesOf, versions } from './composed.mjs';

const run = promisify(execFile);
const openrun = (args, options = {}) => run(BINARY, args, { env: bareEnvironment(), ...options });

let folder;
before(async () => (folder = await mkdtemp(join(tmpdir(), 'openrun-compose-'))));
after(() => rm(folder, { recursive: true, force: true }));

const names = (services) => services.map(([name]) => name).sort();
const services = Object.entries(compose.services);
const endsByItself = ({ restart }) => restart === 'no';

test('the profiles are the stores, the roles and the crowd', () => {
  assert.deepEqual(names(inProfile('engines')), ['kafka', 'mail', 'postgres', 'redis']);
  assert.deepEqual(names(inProfile('load')), ['k6']);
  const others = names(services.filter(([, { profiles }]) => !['engines', 'roles', 'load'].includes(profiles?.[0])));
  assert.deepEqual(others, [], 'services without a profile');
});

test('every role of the program runs once, and the waiting room twice', async () => {
  const { stdout } = await openrun(['serve', '--help']);
  const known = /possible values: ([a-z, -]+)/.exec(stdout)[1].split(', ');
  const served = openruns().flatMap(([, service]) => rolesOf(service));
  assert.deepEqual(served.sort(), [...known, 'waiting-room'].sort());
});

test('every command is one that the program knows', async () => {
  for (const [name, { command, entrypoint }] of openruns()) {
    if (entrypoint) continue;
    const [verb, ...words] = command;
    const { stdout } = await openrun([verb, '--help']);
    for (const word of words.filter((word) => word.startsWith('--'))) assert.ok(stdout.includes(`${word} `), `${name}: ${word}`);
  }
  // The one that is a line of shell.
  const [line] = compose.services.keys.command;
  assert.match(line, /openrun keys init$/);
  await openrun(['keys', 'init', '--help']);
});

test('the program takes every variable that the file sets', async () => {
  const secret = join(folder, 'database_url');
  await writeFile(secret, 'postgres://openrun:secret@postgres/openrun');
  for (const [name, { environment, secrets }] of openruns()) {
    const env = { ...bareEnvironment(), ...environment, OPENRUN_DATABASE_URL_FILE: secret };
    await openrun(['config', 'check'], { env, cwd: folder }).catch(({ stderr }) => assert.fail(`${name}: ${stderr}`));
    assert.deepEqual(secrets.map(({ target }) => target), [environment.OPENRUN_DATABASE_URL_FILE], name);
  }
});

test('only the gateway has a port outside', () => {
  assert.deepEqual(names(services.filter(([, { ports }]) => ports?.length)), ['nginx']);
  const [{ target, published }] = compose.services.nginx.ports;
  assert.match(read('deploy/nginx.conf'), new RegExp(`listen ${target};`));
  for (const [name, { environment }] of openruns()) assert.equal(new URL(environment.OPENRUN_PUBLIC_URL).port, published, name);
  assert.equal(new URL(compose.services.k6.environment.OPENRUN_URL).port, String(target));
});

test('every service says when it is healthy, when it comes again and how long it may take to stop', () => {
  for (const [name, service] of services) {
    assert.ok(service.restart, `${name}: restart`);
    assert.ok(service.stop_grace_period, `${name}: stop_grace_period`);
    assert.ok(service.healthcheck?.disable === true ? endsByItself(service) : service.healthcheck?.test, `${name}: healthcheck`);
  }
  // The program finishes what it began within 20 seconds.
  for (const [name, service] of openruns()) assert.equal(service.stop_grace_period, '30s', name);
});

test('what ends by itself is awaited by something that goes on', () => {
  // Otherwise `docker compose up --wait` takes its end for a failure.
  const goOn = inProfile('roles').filter(([, service]) => !endsByItself(service));
  for (const name of names(inProfile('roles').filter(([, service]) => endsByItself(service)))) {
    const awaited = goOn.some(([, { depends_on: others }]) => others[name]?.condition === 'service_completed_successfully');
    assert.ok(awaited, name);
  }
});

test('nothing runs with more rights than it needs', () => {
  for (const [name, service] of [...openruns(), ['nginx', compose.services.nginx]]) {
    assert.equal(service.read_only, true, `${name}: read_only`);
    assert.deepEqual(service.cap_drop, ['ALL'], `${name}: cap_drop`);
  }
  assert.match(read('Dockerfile'), /^USER 10001:10001$/m);
  assert.notEqual(compose.services.nginx.user.split(':')[0], '0');
});

test('what the gateway says of visitors is believed, and nobody else', () => {
  const [{ subnet }] = compose.networks.front.ipam.config;
  for (const [name, { environment }] of openruns()) assert.equal(environment.OPENRUN_TRUSTED_PROXIES, subnet, name);
  const inFront = services.filter(([, { networks }]) => networks && 'front' in networks);
  assert.deepEqual(names(inFront), ['checkout', 'k6', 'nginx', 'waiting-room-1', 'waiting-room-2']);
});

test('the gateway knows the services that answer, at the port they listen on', () => {
  const upstreams = [...read('deploy/nginx.conf').matchAll(/server ([a-z0-9-]+):(\d+)/g)];
  const answering = openruns().filter(([, service]) => rolesOf(service).some((role) => ['waiting-room', 'checkout'].includes(role)));
  assert.deepEqual(upstreams.map(([, name]) => name).sort(), names(answering));
  for (const [, name, port] of upstreams) assert.ok(compose.services[name].environment.OPENRUN_LISTEN.endsWith(`:${port}`), name);
  for (const name of names(answering)) assert.equal(compose.services.nginx.depends_on[name].condition, 'service_healthy', name);
  const [, , , url] = compose.services.nginx.healthcheck.test;
  assert.ok(read('deploy/nginx.conf').includes(`location = ${new URL(url).pathname} `), url);
});

test('health is asked where the program says it', () => {
  const port = /\$\{1:-(\d+)\}/.exec(read('deploy/ready'))[1];
  for (const [name, { environment }] of openruns()) assert.ok(environment.OPENRUN_OPS_LISTEN.endsWith(`:${port}`), name);
});

const tagOf = (image) => image.split(':')[1];

test('every image has a version', () => {
  const images = [...services.map(([, { image }]) => image), ...[...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)];
  for (const image of images) assert.ok(tagOf(image) && tagOf(image) !== 'latest', image);
});

test('the versions are those that are tested', () => {
  const { KAFKA_VERSION, K6_VERSION } = versions();
  assert.equal(tagOf(compose.services.kafka.image), KAFKA_VERSION);
  assert.equal(tagOf(compose.services.k6.image), K6_VERSION);
  const [, postgres, redis] = /PostgreSQL (\d+), Redis (\d+) and Kafka/.exec(read('README.md'));
  assert.equal(tagOf(compose.services.postgres.image).split(/[.-]/)[0], postgres);
  assert.equal(tagOf(compose.services.redis.image).split('.')[0], redis);
  const [, toolchain] = /channel = "(\d+\.\d+)/.exec(read('rust-toolchain.toml'));
  assert.match(read('Dockerfile'), new RegExp(`^FROM rust:${toolchain}-`, 'm'));
  const [, version] = /\[workspace\.package\]\nversion = "([^"]+)"/.exec(read('Cargo.toml'));
  for (const [name, { image }] of openruns()) assert.equal(tagOf(image), version, name);
});

test('Redis and Kafka are set as ./engines sets them', () => {
  const script = read('scripts/engines/redis.sh');
  const { command } = compose.services.redis;
  for (const [at, word] of command.entries()) {
    if (word.startsWith('--')) assert.ok(script.includes(`${word} ${command[at + 1] || "''"}`), `redis ${word}`);
  }
  const properties = new Map([...read('scripts/engines/kafka.sh').matchAll(/^([a-z.]+)=(\S*)$/gm)].map(([, key, value]) => [key, value]));
  const ofThisMachine = (value) => value.includes('$');
  const environment = { ...compose.services.kafka.environment };
  for (const [key, value] of properties) {
    const name = `KAFKA_${key.toUpperCase().replaceAll('.', '_')}`;
    assert.ok(name in environment, name);
    if (!ofThisMachine(value)) assert.equal(environment[name], value, name);
    delete environment[name];
  }
  assert.deepEqual(Object.keys(environment), ['KAFKA_HEAP_OPTS'], 'settings that ./engines does not have');
});

test('the secrets are made once, in a closed folder', async () => {
  const made = join(folder, 'secrets');
  const make = () => run(join(ROOT, 'deploy/make-secrets'), [made]);
  await make();
  const files = Object.values(compose.secrets).map(({ file }) => file.split('/').pop());
  const contents = () => Promise.all(files.map((file) => readFile(join(made, file), 'utf8')));
  const first = await contents();
  assert.equal(statSync(made).mode & 0o777, 0o700);
  await make();
  assert.deepEqual(await contents(), first, 'a second run keeps them');
  const password = await readFile(join(made, 'postgres_password'), 'utf8');
  const url = new URL(await readFile(join(made, 'database_url'), 'utf8'));
  const { POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE } = compose.services.postgres.environment;
  assert.deepEqual([url.hostname, url.username, url.password, url.pathname], ['postgres', POSTGRES_USER, password, `/${POSTGRES_DB}`]);
  assert.ok(password.length >= 32, 'a long password');
  assert.equal(POSTGRES_PASSWORD_FILE, '/run/secrets/postgres_password');
});

test('the image is built from what lies here', () => {
  const dockerfile = read('Dockerfile');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(?:--\S+ )?(.+) \S+$/gm)].flatMap(([, sources]) => sources.split(' '));
  const allowed = read('.dockerignore').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  assert.deepEqual([...copied].sort(), [...allowed].sort(), 'what is copied, and what the builder may see');
  for (const path of copied) assert.ok(existsSync(join(ROOT, path)), path);
  const [, members] = /members = \[([^\]]+)\]/.exec(read('Cargo.toml'));
  for (const [, member] of members.matchAll(/"([^"]+)"/g)) {
    assert.ok(copied.some((path) => `${member}/`.startsWith(`${path}/`)), member);
  }
});

test('what the README says to type is there', () => {
  const lines = read('README.md').split('\n').filter((line) => line.includes('docker compose '));
  assert.ok(lines.length > 0, 'the README tells of docker compose');
  for (const line of lines) {
    for (const [, profile] of line.matchAll(/--profile ([a-z]+)/g)) assert.ok(inProfile(profile).length > 0, line);
    for (const [, service] of line.matchAll(/exec (?:-T )?([a-z0-9-]+)/g)) assert.ok(compose.services[service], line);
  }
  const [, told] = /\n### With docker compose\n([\s\S]*?)\n###? /.exec(read('README.md'));
  for (const [, name] of told.matchAll(/`(OPENRUN_[A-Z_]+)`/g)) assert.ok(read('docker-compose.yml').includes(`\${${name}`), name);
  for (const [, path] of told.matchAll(/(deploy\/[a-z-]+)\b(?!\/)/g)) assert.ok(existsSync(join(ROOT, path)) || path === 'deploy/secrets', path);
});

test('every script of k6 that is named is there, and every one is named', () => {
  const scripts = readdirSync(join(ROOT, 'k6')).filter((name) => name.endsWith('.js'));
  const told = [...read('k6/README.md').matchAll(/^\| `(\S+\.js)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(told.sort(), scripts.sort());
  for (const [, name] of [read('README.md'), read('docker-compose.yml')].join().matchAll(/\bk6\/([a-z_]+\.js)/g)) assert.ok(scripts.includes(name), name);
  for (const script of scripts) {
    const [, settings] = new RegExp(`^\\| \`${script}\` \\|.*\\| (.*) \\|$`, 'm').exec(read('k6/README.md'));
    const named = [...settings.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name);
    const asked = [...read(`k6/${script}`).matchAll(/number\('([A-Z_]+)'/g)].map(([, name]) => name);
    assert.deepEqual(named.sort(), asked.sort(), `${script}: its settings`);
  }
});

test('one small server: configuration, unit and proxy fit together', async () => {
  await openrun(['config', 'check', '--config', join(ROOT, 'deploy/openrun.toml')], { cwd: folder });
  const config = read('deploy/openrun.toml');
  const [, listen] = /^listen = "([^"]+)"/m.exec(config);
  const [, host] = /^public_url = "https:\/\/([^"]+)"/m.exec(config);
  const [, data] = /^data_dir = "([^"]+)"/m.exec(config);
  const proxy = read('deploy/Caddyfile');
  assert.ok(proxy.includes(`reverse_proxy ${listen} `), 'the proxy knows the address');
  assert.match(proxy, new RegExp(`^${host} \\{$`, 'm'));
  execFileSync('caddy', ['validate', '--adapter', 'caddyfile', '--config', join(ROOT, 'deploy/Caddyfile')], { stdio: 'pipe' });
  const unit = read('deploy/openrun.service');
  assert.match(unit, /^ExecStart=\/usr\/local\/bin\/openrun serve --config \/etc\/openrun\/openrun.toml$/m);
  assert.ok(config.includes('/etc/openrun/openrun.toml'), 'the configuration says where it lies');
  assert.equal(data, `/var/lib/${/^StateDirectory=(\S+)$/m.exec(unit)[1]}`);
});
