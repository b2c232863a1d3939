// docker-compose.yml as compose understands it, without a container engine.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { bareEnvironment } from '../../tests/browser/shop.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const read = (path) => readFileSync(`${ROOT}/${path}`, 'utf8');

const printed = execFileSync('compose-check', ['-format', 'json', 'docker-compose.yml'], { cwd: ROOT, env: bareEnvironment(), encoding: 'utf8' });

export const compose = JSON.parse(printed);

/** The services of a profile, by name. */
export function inProfile(profile) {
  return Object.entries(compose.services).filter(([, service]) => service.profiles?.includes(profile));
}

/** The services that are Openrun itself. */
export function openruns() {
  return inProfile('roles').filter(([, { image }]) => image.startsWith('openrun:'));
}

/** The roles that a service of Openrun serves; none for those that end by themselves. */
export function rolesOf({ command }) {
  return command.flatMap((word, at) => (word === '--role' ? [command[at + 1]] : []));
}

/** `NAME=value` lines as an object. */
export function versions() {
  return Object.fromEntries(
    read('versions.env')
      .split('\n')
      .filter((line) => /^[A-Z0-9_]+=/.test(line))
      .map((line) => line.split('=')),
  );
}
