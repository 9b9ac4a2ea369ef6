// Tests of a firmware made with aws-iot-device-sdk-v2, as its authors would write
// them for node's test runner, with clients/js. Run it with --test-force-exit: the
// native part of the SDK keeps node from ending.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDrover } from '../../clients/js/index.js';

const { iotjobs, mqtt5 } = createRequire(join(process.env.NODE_PATH, '/'))('aws-iot-device-sdk-v2');
const pump = 'pump-7';

// Firmware is the device under test: it knows nothing of Drover but a port. It asks
// for its next job when it starts, when it hears of one, and when it is polled; it
// installs, and reports.
class Firmware {
  installed = [];
  heard = []; // the heads of its queue that it was told of
  #news = 0;
  #wake = () => {};
  #over = false;

  // install is the work; what it cannot do it throws.
  constructor(thingName, install) {
    this.thingName = thingName;
    this.install = install;
  }

  async start(drover) {
    const { thingName } = this;
    this.client = new mqtt5.Mqtt5Client({
      hostName: drover.mqttHost, port: drover.mqttPort, minReconnectDelayMs: 1, maxReconnectDelayMs: 100,
      connectProperties: { clientId: thingName, keepAliveIntervalSeconds: 60 },
    });
    this.client.on('error', () => {});
    this.client.start();
    this.jobs = iotjobs.IotJobsClientv2.newFromMqtt5(this.client, {
      maxRequestResponseSubscriptions: 5, maxStreamingSubscriptions: 2, operationTimeoutInSeconds: 3,
    });
    this.stream = this.jobs.createNextJobExecutionChangedStream({ thingName });
    this.stream.on('incomingPublish', ({ message }) => {
      this.heard.push(message.execution?.jobId);
      this.poll();
    });
    const subscribed = once(this.stream, 'subscriptionStatus');
    this.stream.open();
    await subscribed;
    this.running = this.#run();
  }

  poll() {
    this.#news++;
    this.#wake();
  }

  async stop() {
    this.#over = true;
    this.poll();
    await this.running;
    this.stream.close();
    this.jobs.close();
    const stopped = once(this.client, 'stopped');
    this.client.stop();
    await stopped;
    this.client.close();
  }

  async #run() {
    while (!this.#over) {
      const known = this.#news;
      const { execution } = await this.#ask('startNextPendingJobExecution', {});
      if (execution) await this.#do(execution);
      else if (known === this.#news) await new Promise((wake) => { this.#wake = wake; });
    }
  }

  // An answer that does not come is asked for again.
  async #ask(operation, request) {
    for (;;) {
      try {
        return await this.jobs[operation]({ thingName: this.thingName, ...request });
      } catch (error) {
        if (error.modeledError) return error.modeledError;
        if (this.#over) return {};
      }
    }
  }

  async #do(execution) {
    if (!this.installed.includes(execution.jobId)) {
      if (!await this.#report(execution, 'IN_PROGRESS')) return;
      try {
        await this.install(execution.jobId);
      } catch {
        await this.#report(execution, 'FAILED');
        return;
      }
      this.installed.push(execution.jobId);
    }
    await this.#report(execution, 'SUCCEEDED');
  }

  // Whether this attempt at the job is still ours. Who was overtaken looks again.
  async #report(execution, status) {
    for (;;) {
      const { code, executionState } = await this.#ask('updateJobExecution', {
        jobId: execution.jobId, executionNumber: execution.executionNumber, status,
        expectedVersion: execution.versionNumber, includeJobExecutionState: true,
      });
      if (code && code !== 'VersionMismatch' || !executionState) return false;
      execution.versionNumber = executionState.versionNumber;
      if (!code) return true;
    }
  }
}

const works = async () => {};
const breaks = async () => { throw new Error('the checksum is wrong'); };

// looks notices when a thing asks for its next job.
const looks = (drover, thing) => drover.faults.inject({ thing, kind: 'duplicate', operation: 'start-next', direction: 'response' });

// begin gives a Drover and what boots firmwares; they end with the test, and then it.
async function begin(t) {
  const drover = await startDrover();
  const booted = [];
  t.after(async () => {
    for (const firmware of booted) await firmware.stop();
    await drover.stop();
  });
  const boot = async (thing, install = works) => {
    const firmware = new Firmware(thing, install);
    await firmware.start(drover);
    booted.push(firmware);
    return firmware;
  };
  return { drover, boot };
}

// bootOne gives a firmware that has found that it has no job, and waits for one.
async function bootOne(t) {
  const { drover, boot } = await begin(t);
  await drover.thing(pump);
  const { id } = await looks(drover, pump);
  const firmware = await boot(pump);
  await drover.faults.wait(id);
  await drover.faults.clear();
  return { drover, firmware, job: (name) => drover.job(name, { things: [pump], timeoutMinutes: 10 }) };
}

// gate is what an installation waits for, and what lets it go on.
function gate() {
  let open;
  const opened = new Promise((resolve) => { open = resolve; });
  return { open, opened };
}

function hangs(firmware, id) {
  const { open, opened } = gate();
  firmware.install = (job) => (job === id ? opened : undefined);
  return open;
}

// Queued, started, its report.
const busy = (drover, id, thing = pump) => drover.waitUntil(() => drover.execution(thing, id), (e) => e.versionNumber === 3);

test('it does its jobs', async (t) => {
  const { drover, firmware, job } = await bootOne(t);
  for (const id of ['fw-1', 'fw-2']) {
    await job(id);
    await drover.waitJob(id, 'COMPLETED');
  }
  assert.deepEqual(firmware.installed, ['fw-1', 'fw-2']);
});

test('one that hangs is timed out and goes on', async (t) => {
  const { drover, firmware, job } = await bootOne(t);
  const goOn = hangs(firmware, 'fw-1');
  await job('fw-1');
  await busy(drover, 'fw-1');
  await job('fw-2');
  assert.equal((await drover.clock.advance({ by: '9m59s' })).total, 0);
  assert.deepEqual((await drover.clock.advance({ by: '1s' })).fired.map((f) => f.status), ['TIMED_OUT', 'COMPLETED']);
  goOn(); // its report comes too late
  await drover.waitJob('fw-2', 'COMPLETED');
  assert.equal((await drover.execution(pump, 'fw-1')).status, 'TIMED_OUT');
});

for (const attempts of [['FAILED', 'FAILED', 'SUCCEEDED'], ['FAILED', 'FAILED', 'FAILED']]) {
  test(`one that fails is given its job again while there are retries: ${attempts.join(' ')}`, async (t) => {
    const { drover, firmware } = await bootOne(t);
    const installations = [breaks, breaks, attempts[2] === 'SUCCEEDED' ? works : breaks];
    firmware.install = () => installations.shift()();
    await drover.job('fw', { things: [pump], retries: { FAILED: 2 } });
    await drover.waitJob('fw', 'COMPLETED'); // and nobody has moved the clock
    assert.deepEqual(await drover.attempts(pump, 'fw'), attempts);
  });
}

test('one that hangs is given its job again while there are retries', async (t) => {
  const { drover, firmware, job } = await bootOne(t);
  const hung = [gate(), gate()];
  const installations = hung.values();
  firmware.install = async (id) => {
    if (id !== 'fw') return;
    await installations.next().value.opened;
    throw new Error('it hung');
  };
  await drover.job('fw', { things: [pump], timeoutMinutes: 10, retries: { TIMED_OUT: 1 } });
  for (const [i, fired] of [[[1, 'TIMED_OUT'], [2, 'QUEUED']], [[2, 'TIMED_OUT'], [undefined, 'COMPLETED']]].entries()) {
    await busy(drover, 'fw');
    assert.equal((await drover.clock.advance({ by: '9m59s' })).total, 0);
    const moved = await drover.clock.advance({ by: '1s' });
    assert.deepEqual(moved.fired.map((f) => [f.executionNumber, f.status]), fired);
    hung[i].open(); // it reports the attempt that is over, and not the next
  }
  await job('works');
  await drover.waitJob('works', 'COMPLETED');
  assert.deepEqual(await drover.attempts(pump, 'fw'), ['TIMED_OUT', 'TIMED_OUT']);
});

test('a job is aborted', async (t) => {
  const { drover, boot } = await begin(t);
  const fleet = ['breaks', 'works', 'works-too', 'breaks-too', 'slow', 'idle'];
  await drover.thing(...fleet);
  const asked = await looks(drover, 'idle');
  const idle = await boot('idle');
  await drover.faults.wait(asked.id);

  const lost = await drover.faults.inject({ thing: 'idle', kind: 'drop', operation: 'notify-next' });
  await drover.job('fw', { things: fleet, abort: [{ failureType: 'FAILED', thresholdPercentage: 50, minNumberOfExecutedThings: 3 }] });
  await drover.faults.wait(lost.id); // it knows nothing of its job, which stays queued
  const looked = await looks(drover, 'idle');
  const slow = gate();
  await boot('slow', () => slow.opened);
  await busy(drover, 'fw', 'slow');

  for (const [thing, install, ends, now, waiting] of [
    ['breaks', breaks, 'FAILED', 'IN_PROGRESS', 'QUEUED'], // 1 of 1, fewer than three
    ['works', works, 'SUCCEEDED', 'IN_PROGRESS', 'QUEUED'], // 1 of 2, fewer than three
    ['works-too', works, 'SUCCEEDED', 'IN_PROGRESS', 'QUEUED'], // 1 of 3, less than half
    ['breaks-too', breaks, 'FAILED', 'CANCELED', 'CANCELED'], // 2 of 4
  ]) {
    await boot(thing, install);
    await drover.waitExecution(thing, 'fw', ends);
    await drover.clock.now(); // what follows at once has happened
    assert.deepEqual([await drover.jobStatus('fw'), (await drover.execution('idle', 'fw')).status], [now, waiting], thing);
  }

  await drover.faults.wait(looked.id); // it was told, and looked
  assert.deepEqual([idle.heard, idle.installed], [[undefined], []]);
  slow.open(); // what had begun goes on
  await drover.waitExecution('slow', 'fw', 'SUCCEEDED');
  assert.equal(await drover.jobStatus('fw'), 'CANCELED');
});

test('a job is cancelled in the middle', async (t) => {
  const { drover, firmware, job } = await bootOne(t);
  const goOn = hangs(firmware, 'fw-1');
  await job('fw-1');
  await busy(drover, 'fw-1');
  await drover.cancelJob('fw-1', { force: true });
  goOn();
  await job('fw-2');
  await drover.waitJob('fw-2', 'COMPLETED');
  assert.equal((await drover.execution(pump, 'fw-1')).status, 'CANCELED');
});

test('a notification is lost', async (t) => {
  const { drover, firmware, job } = await bootOne(t);
  const { id } = await drover.faults.inject({ kind: 'drop', operation: 'notify-next' });
  await job('fw');
  await drover.faults.wait(id);
  assert.equal((await drover.execution(pump, 'fw')).status, 'QUEUED');
  firmware.poll();
  await drover.waitJob('fw', 'COMPLETED');
});

test('a notification comes twice', async (t) => {
  const { drover, firmware, job } = await bootOne(t);
  const { id } = await drover.faults.inject({ kind: 'duplicate', direction: 'notification', count: 0 });
  for (const fw of ['fw-1', 'fw-2']) {
    await job(fw);
    await drover.waitJob(fw, 'COMPLETED');
  }
  await drover.faults.wait(id, 2);
  assert.deepEqual(firmware.installed, ['fw-1', 'fw-2']);
});

test('another was faster', async (t) => {
  const { drover, firmware, job } = await bootOne(t);
  const { id } = await drover.faults.inject({ kind: 'staleVersion', operation: 'update', skip: 1 });
  await job('fw');
  // Queued, started, its report, another's change, its success.
  assert.equal((await drover.waitExecution(pump, 'fw', 'SUCCEEDED')).versionNumber, 5);
  await drover.faults.wait(id);
  assert.deepEqual(firmware.installed, ['fw']);
});

for (const direction of ['request', 'response']) {
  test(`the connection is lost, ${direction}`, async (t) => {
    const { drover, firmware, job } = await bootOne(t);
    // The second update is its success: before or after it took effect.
    await drover.faults.inject({ kind: 'disconnect', operation: 'update', direction, skip: 1 });
    await job('fw-1');
    await drover.waitJob('fw-1', 'COMPLETED');
    await job('fw-2');
    firmware.poll(); // it may have missed a notification meanwhile
    await drover.waitJob('fw-2', 'COMPLETED');
    assert.deepEqual(firmware.installed, ['fw-1', 'fw-2']);
  });
}
