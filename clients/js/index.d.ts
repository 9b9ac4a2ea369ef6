/// <reference lib="esnext.disposable" />

export interface Options {
  /** The context of a test: the server ends with it. */
  t?: { after(fn: () => unknown): void };
  /** More flags of `drover dev`. */
  flags?: string[];
  /** The program; else DROVER_BIN, else `drover` of the PATH. */
  binary?: string;
  clock?: 'virtual' | 'real';
  /** Milliseconds of real time for a start, an end, or a state to come. */
  patience?: number;
}

export function startDrover(options?: Options): Promise<Drover>;

export class Refused extends Error {
  constructor(status: number, type: string, message: string);
  status: number;
  /** As ResourceNotFoundException. */
  type: string;
}

export type Status = 'QUEUED' | 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'REJECTED' | 'REMOVED' | 'CANCELED';
export type JobStatus = 'SCHEDULED' | 'IN_PROGRESS' | 'COMPLETED' | 'CANCELED' | 'DELETION_IN_PROGRESS';

/** An execution as DescribeJobExecution has it. */
export interface Execution {
  jobId: string;
  thingArn: string;
  status: Status;
  forceCanceled?: boolean;
  statusDetails?: { detailsMap?: Record<string, string> };
  executionNumber: number;
  versionNumber: number;
  queuedAt: number;
  startedAt?: number;
  lastUpdatedAt: number;
  approximateSecondsBeforeTimedOut?: number;
}

/** Met when, of at least so many things that have ended the job, this percentage or more have failed in this way. */
export interface Criterion {
  failureType: 'FAILED' | 'REJECTED' | 'TIMED_OUT' | 'ALL';
  thresholdPercentage: number;
  minNumberOfExecutedThings: number;
}

export interface Job {
  things?: string[];
  groups?: string[];
  document?: unknown;
  timeoutMinutes?: number;
  /** How often a thing is given the job again: { FAILED: 2, TIMED_OUT: 1 }, or ALL alone. */
  retries?: { FAILED?: number; TIMED_OUT?: number; ALL?: number };
  /** Any of them cancels the job. */
  abort?: Criterion[];
  /** The rest of CreateJob, by AWS's names. */
  [member: string]: unknown;
}

export interface Drover {
  readonly ready: Record<string, unknown>;
  /** host:port of the plaintext MQTT door. */
  readonly mqtt: string;
  readonly mqttHost: string;
  readonly mqttPort: number;
  /** URL of the HTTP door. */
  readonly http: string;
  /** What a client of @aws-sdk needs to know. */
  readonly aws: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } };
  readonly clock: Clock;
  readonly faults: Faults;
  /** The last that the server has logged. */
  readonly log: string;
  patience: number;

  stop(): Promise<void>;
  /** `await using drover = await startDrover()` stops it at the end of its block. */
  [Symbol.asyncDispose](): Promise<void>;
  /** One request of the control plane, or under /drover/v1/; what is refused is thrown as Refused. */
  call(method: string, path: string, body?: unknown): Promise<any>;
  thing(...names: string[]): Promise<void>;
  group(name: string, ...things: string[]): Promise<void>;
  /** What the job's rollout allows at once is queued when it resolves. */
  job(id: string, job?: Job): Promise<void>;
  cancelJob(id: string, options?: { force?: boolean }): Promise<void>;
  execution(thing: string, job: string): Promise<Execution | undefined>;
  /** The statuses of all that a thing has had of a job, the first attempt first. */
  attempts(thing: string, job: string): Promise<Status[]>;
  jobStatus(id: string): Promise<JobStatus | undefined>;
  waitExecution(thing: string, job: string, status: Status): Promise<Execution>;
  waitJob(id: string, status: JobStatus): Promise<void>;
  /** Looks, and again whenever something has changed, until isIt(what it sees). */
  waitUntil<T>(look: () => T | Promise<T>, isIt?: (state: T) => boolean, what?: string): Promise<T>;
}

/** A duration: seconds, or "45m", "1h30m", "7d". */
export type Duration = number | string;
/** A time: epoch seconds, or RFC 3339. */
export type Time = number | string;

export interface Fired {
  at: number;
  kind: 'execution' | 'job' | 'session';
  thingName?: string;
  jobId?: string;
  executionNumber?: number;
  clientId?: string;
  was?: string;
  status: string;
}

/** One of by, to and until. */
export type Move =
  | { by: Duration; to?: never; until?: never; atMost?: never }
  | { to: Time; by?: never; until?: never; atMost?: never }
  | { until: 'idle'; atMost?: Duration; by?: never; to?: never };

export interface Moved {
  from: number;
  now: number;
  time: string;
  nextDue?: number;
  idle: boolean;
  fired: Fired[];
  total: number;
  counts: Record<string, Record<string, number>>;
}

export interface Clock {
  state(): Promise<{ mode: 'real' | 'virtual'; now: number; time: string; nextDue?: number }>;
  /** Domain time in epoch seconds; what is due now has happened when it resolves. */
  now(): Promise<number>;
  advance(move: Move): Promise<Moved>;
}

export interface Fault {
  thing?: string;
  operation?: 'any' | 'get' | 'start-next' | 'describe' | 'update' | 'notify' | 'notify-next' | 'connect';
  direction?: 'request' | 'response' | 'notification';
  kind: 'drop' | 'delay' | 'duplicate' | 'reorder' | 'answer' | 'throttle' | 'disconnect' | 'staleVersion';
  over?: 'mqtt' | 'https';
  skip?: number;
  count?: number;
  probability?: number;
  seed?: number;
  by?: Duration;
  code?: string;
  message?: string;
  perSecond?: number;
}

export interface FaultState extends Fault {
  id: string;
  seen: number;
  injected: number;
  remaining?: number;
}

export interface Injection {
  at: number;
  fault: string;
  kind: string;
  thing: string;
  operation: string;
  direction: string;
  over: string;
  jobId?: string;
  clientId?: string;
  did: string;
}

export interface Faults {
  inject(fault: Fault): Promise<FaultState>;
  list(): Promise<FaultState[]>;
  report(): Promise<Injection[]>;
  /** Resolves when the fault has disturbed so many messages. */
  wait(id: string, times?: number): Promise<void>;
  delete(id: string): Promise<void>;
  clear(): Promise<void>;
}
