/** Other filesystems that encrypt. */
const PEERS = ['gocryptfs', 'cryfs', 'rclone'] as const;
export type Peer = (typeof PEERS)[number];

/** sessionfs is the direct driver, fuse-native the same with the other one. passthrough does nothing but be a FUSE filesystem. */
export const SUBJECTS = ['ext4', 'passthrough', 'sessionfs', 'fuse-native', ...PEERS] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/** The plain directory that everything else is compared with, whatever filesystem it lies on. */
export const BASELINE: SubjectName = 'ext4';

export interface Measurement {
  name: string;
  unit: string;
  /** What sessionfs aims at: its ratio to the baseline, or an absolute value. */
  target: { kind: 'ratio' | 'value'; relation: '<=' | '>='; value: number } | undefined;
  /** One value a round; the same index is the same round. */
  rounds: Record<string, number[]>;
}

/** What goes into one table. */
export interface MeasurementGroup {
  subjects: readonly string[];
  /** The subject that the others are compared with. */
  baseline: string;
  measurements: readonly Measurement[];
}

export function ratioTarget(relation: '<=' | '>=', value: number): Measurement['target'] {
  return { kind: 'ratio', relation, value };
}

export function valueTarget(relation: '<=' | '>=', value: number): Measurement['target'] {
  return { kind: 'value', relation, value };
}

/** Without a target, and without a round so far. */
export function measurement(name: string, unit: string): Measurement {
  return { name, unit, target: undefined, rounds: {} };
}

/** Adds one round's value of one subject. */
export function record(measurement: Measurement, subject: string, value: number): void {
  measurement.rounds[subject] ??= [];
  measurement.rounds[subject].push(value);
}
