// A test of a device in TypeScript that uses all there is, and what a compiler has to
// refuse. types.test.mjs of Drover's end-to-end tests compiles it strictly and runs it.
import type * as client from 'drover-test';

/** Gives the objects that there are and what the server has answered, by their types; report is a device over HTTPS. */
export async function usage(
  { startDrover, Refused }: typeof client,
  t: { after(fn: () => unknown): void },
  report: (server: string, thing: string, job: string, status: client.Status) => Promise<unknown>,
) {
  const options: client.Options = { t, flags: ['--auto-things'], clock: 'virtual', patience: 60_000 };
  const drover = await startDrover(options);
  const where: string[] = [drover.mqtt, drover.mqttHost, drover.http, drover.log, drover.aws.region, drover.aws.credentials.accessKeyId];
  const port: number = drover.mqttPort + drover.patience;
  if (where.includes(undefined!) || !(port > 0) || !('mqtt' in drover.ready)) throw new Error(`${where} ${port}`);

  await drover.thing('pump-7', 'pump-8');
  await drover.group('pumps', 'pump-8');
  const abort: client.Criterion[] = [{ failureType: 'ALL', thresholdPercentage: 99.5, minNumberOfExecutedThings: 3 }];
  const job: client.Job = { things: ['pump-7'], groups: ['pumps'], document: { op: 'flash' }, timeoutMinutes: 10, retries: { TIMED_OUT: 1 }, abort };
  await drover.job('fw', { ...job, description: 'by TypeScript' });
  const queued = await drover.waitExecution('pump-7', 'fw', 'QUEUED');
  await report(drover.http, 'pump-7', 'fw', 'IN_PROGRESS');
  const started: client.Execution = await drover.waitUntil(
    async () => (await drover.execution('pump-7', 'fw'))!, (e) => e.status === 'IN_PROGRESS', 'pump-7 is at work');

  const state = await drover.clock.state();
  const now: number = await drover.clock.now();
  const moves: client.Moved[] = [
    await drover.clock.advance({ by: '9m' }),
    await drover.clock.advance({ to: now + 600 }),
    await drover.clock.advance({ until: 'idle', atMost: '1d' }),
  ];
  const attempts: client.Status[] = await drover.attempts('pump-7', 'fw');
  if (attempts.join() !== 'TIMED_OUT,QUEUED') throw new Error(`${attempts}`);

  const fault: client.Fault = { thing: 'pump-7', operation: 'update', direction: 'response', kind: 'answer', code: 'InternalError', count: 2 };
  const injected = await drover.faults.inject(fault);
  const throttle = await drover.faults.inject({ kind: 'throttle', perSecond: 2, over: 'https', probability: 0.5, seed: 7, skip: 1 });
  await report(drover.http, 'pump-7', 'fw', 'IN_PROGRESS');
  await drover.faults.wait(injected.id, 1);
  await drover.cancelJob('fw', { force: true });
  await drover.waitJob('fw', 'CANCELED');
  const status: client.JobStatus | undefined = await drover.jobStatus('fw-2');
  if (status !== undefined) throw new Error(status);
  const faults = await drover.faults.list();
  const injections = await drover.faults.report();
  await drover.faults.delete(throttle.id);
  await drover.faults.clear();

  const refused: unknown = await drover.call('GET', '/things/nobody').catch((error: unknown) => error);
  if (!(refused instanceof Refused)) throw new Error(`${refused}`);
  const said: [number, string, string] = [refused.status, refused.type, refused.message];
  if (said[0] !== 404) throw new Error(said.join(' '));

  const another = await startDrover();
  await another.stop();
  await using third = await startDrover({ clock: 'real' });
  return {
    objects: { Drover: third, Clock: third.clock, Faults: third.faults, Refused: refused },
    answers: {
      'Awaited<ReturnType<Clock["state"]>>': [state, await third.clock.state()],
      Execution: [queued, started],
      Moved: moves,
      FaultState: [injected, throttle, ...faults],
      Injection: injections,
    },
  };
}

/** Is compiled, and never called. */
export async function misuse(drover: client.Drover) {
  // @ts-expect-error: a member that is none
  drover.wait('fw');
  // @ts-expect-error: a status that is of a job
  await drover.waitExecution('pump-7', 'fw', 'COMPLETED');
  // @ts-expect-error: a status that is of an execution
  await drover.waitJob('fw', 'SUCCEEDED');
  // @ts-expect-error: no action but CANCEL, which goes without saying
  await drover.job('fw', { abort: [{ failureType: 'FAILED', action: 'PAUSE', thresholdPercentage: 1, minNumberOfExecutedThings: 1 }] });
  // @ts-expect-error: an end that is no failure
  await drover.job('fw', { abort: [{ failureType: 'SUCCEEDED', thresholdPercentage: 1, minNumberOfExecutedThings: 1 }] });
  // @ts-expect-error: a failure that is not tried again
  await drover.job('fw', { retries: { REJECTED: 1 } });
  // @ts-expect-error: two ways at once
  await drover.clock.advance({ by: 1, atMost: 1 });
  // @ts-expect-error: a kind that is none
  await drover.faults.inject({ kind: 'explode' });
  // @ts-expect-error: a key that is none
  await drover.faults.inject({ kind: 'drop', times: 1 });
  // @ts-expect-error: it may not be there
  (await drover.execution('pump-7', 'fw')).status;
  // @ts-expect-error: an address does not change
  drover.mqtt = '';
}
