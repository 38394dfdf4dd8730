import type { MeasurementGroup } from '../measurement.ts';
import { withScope } from '../subjects.ts';
import { measurePace, PACE_SUBJECTS } from './pace.ts';
import { openRig } from './rig.ts';
import { measureTraffic, TRAFFIC_SUBJECTS } from './traffic.ts';
import { measureTransfer, TRANSFER_SUBJECTS } from './transfer.ts';

/** Everything about hybrid mode, on an emulator of Google Cloud Storage behind a proxy that counts and slows requests. */
export function measureBucket(
  quick: boolean,
  complain: (message: string) => void,
): Promise<MeasurementGroup[]> {
  return withScope(async (scope) => {
    const rig = await openRig(scope);
    const group = (
      subjects: readonly [string, ...string[]],
      measurements: MeasurementGroup['measurements'],
    ) => {
      return { subjects, baseline: subjects[0], measurements };
    };
    return [
      group(TRANSFER_SUBJECTS, await measureTransfer(rig, quick ? 1 : 3)),
      group(PACE_SUBJECTS, await measurePace(rig, quick ? 1 : 5, complain)),
      group(TRAFFIC_SUBJECTS, await measureTraffic(scope, rig, quick ? 5 : 20)),
    ];
  });
}
