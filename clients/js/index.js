// A Drover for tests in JavaScript: `drover dev --clock virtual` as a child
// process. The contract of clock, faults and changes is docs/dev-api.md of Drover.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

// How long, in real time, a server may take to start and to end, and a state to come.
const PATIENCE = 60_000;

/** What the service has refused. */
export class Refused extends Error {
  constructor(status, type, message) {
    super(`${status} ${type}: ${message}`);
    this.name = 'Refused';
    this.status = status;
    this.type = type;
  }
}

/** Starts a Drover; with `t`, the context of a test, it ends with the test. */
export async function startDrover({ t, flags = [], binary = process.env.DROVER_BIN || 'drover', clock = 'virtual', patience = PATIENCE } = {}) {
  const home = await mkdtemp(join(tmpdir(), 'drover-test-'));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DROVER_')));
  const child = spawn(binary, ['dev', '--clock', clock, '--mqtt-addr', '127.0.0.1:0', '--http-addr', '127.0.0.1:0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, TMPDIR: home },
  });
  const said = [];
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said.push(text);
    if (said.length > 200) said.shift();
  });
  const ended = new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', (error) => {
      said.push(error.message);
      resolve();
    });
  });
  const overdue = setTimeout(() => child.kill('SIGKILL'), patience);
  const line = await Promise.race([once(createInterface(child.stdout), 'line').then(([text]) => text), ended]);
  clearTimeout(overdue);
  if (typeof line !== 'string') {
    await rm(home, { recursive: true, force: true });
    throw new Error(`drover did not start: ${said.join('')}`);
  }
  child.stdout.resume();
  const drover = new Drover(JSON.parse(line), { child, ended, said, home, patience });
  t?.after(() => drover.stop());
  return drover;
}

class Drover {
  #child;
  #ended;
  #said;
  #home;

  constructor(ready, { child, ended, said, home, patience }) {
    this.ready = ready;
    this.patience = patience;
    this.mqtt = ready.mqtt;
    this.mqttHost = ready.mqtt.slice(0, ready.mqtt.lastIndexOf(':'));
    this.mqttPort = Number(ready.mqtt.slice(ready.mqtt.lastIndexOf(':') + 1));
    this.http = `http://${ready.http}`;
    this.aws = { endpoint: this.http, region: 'us-east-1', credentials: { accessKeyId: 'drover', secretAccessKey: 'drover' } };
    this.clock = new Clock(this);
    this.faults = new Faults(this);
    this.#child = child;
    this.#ended = ended;
    this.#said = said;
    this.#home = home;
  }

  get log() {
    return this.#said.join('');
  }

  async stop() {
    this.#child.kill('SIGTERM');
    const overdue = setTimeout(() => this.#child.kill('SIGKILL'), this.patience);
    await this.#ended;
    clearTimeout(overdue);
    await rm(this.#home, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.stop();
  }

  async call(method, path, body) {
    const answer = await fetch(this.http + path, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: {
        // The scope of a signature tells the planes apart; dev does not verify it.
        authorization: `AWS4-HMAC-SHA256 Credential=drover/20260101/us-east-1/iot/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`,
        'x-amz-date': '20260101T000000Z',
        'content-type': 'application/json',
      },
    });
    const text = await answer.text();
    if (!answer.ok) {
      let message = text;
      try {
        ({ message } = JSON.parse(text));
      } catch {} // it is shown as it is
      throw new Refused(answer.status, answer.headers.get('x-amzn-errortype') ?? '', message);
    }
    return text ? JSON.parse(text) : undefined;
  }

  async thing(...names) {
    for (const name of names) await this.call('POST', `/things/${encodeURIComponent(name)}`, {});
  }

  async group(name, ...things) {
    await this.call('POST', `/thing-groups/${encodeURIComponent(name)}`, {});
    for (const thing of things) {
      await this.call('PUT', '/thing-groups/addThingToThingGroup', { thingGroupName: name, thingName: thing });
    }
  }

  async job(id, { things = [], groups = [], document = {}, timeoutMinutes, retries, abort, ...config } = {}) {
    const arn = 'arn:aws:iot:us-east-1:000000000000:';
    await this.call('PUT', `/jobs/${encodeURIComponent(id)}`, {
      targets: [...things.map((name) => `${arn}thing/${name}`), ...groups.map((name) => `${arn}thinggroup/${name}`)],
      document: typeof document === 'string' ? document : JSON.stringify(document),
      ...(timeoutMinutes && { timeoutConfig: { inProgressTimeoutInMinutes: timeoutMinutes } }),
      ...(retries && {
        jobExecutionsRetryConfig: {
          criteriaList: Object.entries(retries).map(([failureType, numberOfRetries]) => ({ failureType, numberOfRetries })),
        },
      }),
      ...(abort && { abortConfig: { criteriaList: abort.map((criterion) => ({ action: 'CANCEL', ...criterion })) } }),
      ...config,
    });
    await this.clock.now(); // what is due now has happened then
  }

  async cancelJob(id, { force = false } = {}) {
    await this.call('PUT', `/jobs/${encodeURIComponent(id)}/cancel?force=${force}`, {});
    await this.clock.now();
  }

  async execution(thing, job) {
    return (await this.#found(`/things/${encodeURIComponent(thing)}/jobs/${encodeURIComponent(job)}`))?.execution;
  }

  async attempts(thing, job) {
    const { executionSummaries } = await this.call('GET', `/things/${encodeURIComponent(thing)}/jobs?jobId=${encodeURIComponent(job)}`);
    const summaries = executionSummaries.map((each) => each.jobExecutionSummary);
    return summaries.sort((a, b) => a.executionNumber - b.executionNumber).map(({ status }) => status);
  }

  async jobStatus(id) {
    return (await this.#found(`/jobs/${encodeURIComponent(id)}`))?.job.status;
  }

  async #found(path) {
    try {
      return await this.call('GET', path);
    } catch (error) {
      if (error.status === 404) return undefined;
      throw error;
    }
  }

  waitExecution(thing, job, status) {
    return this.waitUntil(() => this.execution(thing, job), (e) => e?.status === status, `${job} on ${thing} is ${status}`);
  }

  async waitJob(id, status) {
    await this.waitUntil(() => this.jobStatus(id), (s) => s === status, `job ${id} is ${status}`);
  }

  async waitUntil(look, isIt = Boolean, what = 'it is so') {
    const overdue = AbortSignal.timeout(this.patience);
    for (let { seq } = await this.call('GET', '/drover/v1/changes'); ; seq = await this.#change(seq, overdue)) {
      const state = await look();
      if (isIt(state)) return state;
      if (overdue.aborted) throw new Error(`waited in vain until ${what}; it is ${JSON.stringify(state)}`);
    }
  }

  async #change(seq, signal) {
    try {
      return (await (await fetch(`${this.http}/drover/v1/changes?after=${seq}`, { signal })).json()).seq;
    } catch (error) {
      if (signal.aborted) return seq;
      throw error;
    }
  }
}

class Clock {
  #drover;

  constructor(drover) {
    this.#drover = drover;
  }

  state() {
    return this.#drover.call('GET', '/drover/v1/clock');
  }

  async now() {
    return (await this.state()).now;
  }

  advance(move) {
    return this.#drover.call('POST', '/drover/v1/clock/advance', move);
  }
}

class Faults {
  #drover;

  constructor(drover) {
    this.#drover = drover;
  }

  inject(fault) {
    return this.#drover.call('POST', '/drover/v1/faults', fault);
  }

  async list() {
    return (await this.#drover.call('GET', '/drover/v1/faults')).faults;
  }

  async report() {
    return (await this.#drover.call('GET', '/drover/v1/faults/report')).injected;
  }

  async wait(id, times = 1) {
    const count = async () => (await this.report()).filter((i) => i.fault === id).length;
    await this.#drover.waitUntil(count, (n) => n >= times, `fault ${id} was injected ${times} times`);
  }

  async delete(id) {
    await this.#drover.call('DELETE', `/drover/v1/faults/${encodeURIComponent(id)}`);
  }

  async clear() {
    await this.#drover.call('DELETE', '/drover/v1/faults');
  }
}
