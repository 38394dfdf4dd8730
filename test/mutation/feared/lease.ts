import { fearedIn } from '../mutation.ts';

const MODEL = [
  'lease/protocol.test.ts',
  'lease/model.test.ts',
  'lease/model-deaths.test.ts',
  'lease/leases.test.ts',
  'lease/restart.test.ts',
];

export const leaseMutations = [
  ...fearedIn(
    'src/lease/acquisition.ts',
    ['lease/unshareable.test.ts'],
    [
      [
        'await ownership.requireShareable(claim.heldBy);',
        '',
        'a session is taken over in a bucket that fences off no mount',
      ],
    ],
  ),
  ...fearedIn(
    'src/remote/shareable-bucket.ts',
    ['remote/shareable-bucket.test.ts'],
    [
      [
        "holder !== '' && !own.includes(holder)",
        'false',
        'two mounts start on a bucket that cannot tell them apart',
      ],
    ],
  ),
  ...fearedIn('src/lease/protocol.ts', MODEL, [
    [
      'const mine = { ...record, holder, name, epoch: record.epoch + 1 };',
      'const mine = { ...record, holder, name };',
      'a released session is taken under the old epoch',
    ],
    [
      "if (record.holder === holder && !me.unsure) return { do: 'hold' };",
      "if (record.holder === holder) return { do: 'hold' };",
      'a release that is still under way takes a session away later',
    ],
    [
      'record.holder === holder || me.former.includes(record.holder)',
      'record.holder === holder',
      'a mount waits for its own former id',
    ],
    [
      "return { do: 'contend', holder: record.holder };",
      "return { do: 'write', how: 'already', record: { ...record, holder, name }, ifGeneration };",
      'a session is taken from its holder at once',
    ],
    [
      'epoch: record.epoch + 1, refresh: true };',
      'epoch: record.epoch, refresh: true };',
      'a take-over does not raise the epoch',
    ],
    [
      'epoch: record.epoch + 1, refresh: true };',
      'epoch: record.epoch + 1, refresh: false };',
      'after a take-over the objects are not stored again',
    ],
    [
      'refresh: record.refresh || !settled }',
      'refresh: record.refresh }',
      'an unsettled release passes for a settled one',
    ],
    [
      'refresh: record.refresh || !settled }',
      'refresh: !settled }',
      'a release forgets that objects must be stored again',
    ],
    [
      'floor: record.epoch, refresh: false }',
      'floor: record.floor, refresh: false }',
      'the floor is never raised',
    ],
    [
      'floor: record.epoch, refresh: false }',
      'floor: record.epoch, refresh: true }',
      'the objects are stored again for ever',
    ],
    ["  if (record.condemned) return { do: 'take-over' };\n", '', 'a condemned holder is never replaced'],
    [
      "if (knownForMs === undefined || knownForMs < takeOverMs) return { do: 'wait' };",
      "if (knownForMs === undefined) return { do: 'wait' };",
      'a holder is condemned before it can answer',
    ],
    [
      "if (knownForMs === undefined || knownForMs < takeOverMs) return { do: 'wait' };",
      "if (knownForMs !== undefined && knownForMs < takeOverMs) return { do: 'wait' };",
      'a challenge that was just seen counts as old',
    ],
    [
      "return { do: 'condemn', record: { ...record, condemned: true }, ifGeneration };",
      "return { do: 'take-over' };",
      'a holder is replaced without being condemned',
    ],
    ["if (record.start === '') return { do: 'new-id' };", '', 'an inbox that a contender made is trusted'],
    ["if (record.start !== run.nonce) return { do: 'fence' };", '', 'two processes run as one mount'],
    ["  if (record.condemned) return { do: 'new-id' };\n", '', 'a condemned mount goes on writing'],
    [
      "  if (inbox === undefined) return { do: 'new-id' };\n",
      "  if (inbox === undefined) return { do: 'granted' };\n",
      'a deleted inbox grants writing',
    ],
    [
      "return { do: 'write', record: { ...record, challenge: '' }, ifGeneration };",
      "return { do: 'granted' };",
      'a challenge is never answered',
    ],
    [
      "return opened ? { do: 'new-id' } : { do: 'write', record, ifGeneration: ABSENT };",
      "return { do: 'write', record, ifGeneration: ABSENT };",
      'a deleted inbox is made again',
    ],
    [
      "if (inbox.record.condemned || inbox.record.start === '') return { do: 'new-id' };",
      "if (inbox.record.start === '') return { do: 'new-id' };",
      'a condemned mount starts again under its id',
    ],
  ]),
  ...fearedIn(
    'src/lease/renewal.ts',
    ['lease/renewal.test.ts', 'lease/restart.test.ts', 'lease/leases.test.ts'],
    [
      [
        'if (!this.isOpen) await this.#parts.identity.change(',
        'if (!this.isOpen) void this.#parts.identity.change(',
        'a mount writes before it is durable that its inbox was opened',
      ],
      [
        '        await this.#begin();\n        return true;',
        '        return true;',
        'a mount writes, and no one notes that its inbox was opened',
      ],
      [
        '        await this.#begin();\n        return undefined;',
        '        void this.#begin();\n        return undefined;',
        'a mount whose process died before it was noted writes before it is',
      ],
      [
        'opened: true, started: true }',
        'started: true }',
        'a mount makes its inbox again after it was deleted, and the lost challenge with it',
      ],
      [
        '    const sentMs = this.#nowMs();\n    const inbox = await this.#read();\n',
        '    const inbox = await this.#read();\n    const sentMs = this.#nowMs();\n',
        'the right to write counts from the answer of a read',
      ],
      [
        '    this.#sentMs = sentMs;\n    return true;\n  }',
        '    this.#sentMs = this.#nowMs();\n    return true;\n  }',
        'the right to write counts from the answer of a write',
      ],
      [
        'if (isPrecondition(error)) return false;',
        'if (isPrecondition(error)) return true;',
        'a challenge whose answer was refused counts as answered',
      ],
      [
        '    this.#sentMs = undefined;\n    const before = identity.now.id;\n',
        '    const before = identity.now.id;\n',
        'a condemned mount goes on writing under the old right',
      ],
      [
        'if (this.#fenced) return Promise.reject(this.#fenced);',
        '',
        'a mount in whose place another process runs goes on asking for the lease',
      ],
      [
        'if (deadlineMs > this.#nowMs()) return deadlineMs;',
        'return deadlineMs;',
        'a right that has ended is given',
      ],
      [
        "if (renew(inbox, this.#run).do !== 'granted') return false;",
        '',
        'a challenged inbox is written again without an answer, and lets the mount write',
      ],
    ],
  ),
  ...fearedIn(
    'src/lease/times.ts',
    ['lease/files.test.ts', 'lease/leases.test.ts'],
    [
      [
        'if (renewIntervalMs * RENEWALS_IN_GRANT > grantMs)',
        'if (false)',
        'a renewal may come after the grant has ended',
      ],
      ['if (grantMs * TAKE_OVER_MARGIN > takeOverMs)', 'if (false)', 'a take-over may come within the grant'],
      ['if (pollMs >= takeOverMs)', 'if (false)', 'a contender may never see that its challenge stands'],
      ['if (!Number.isFinite(value) || value <= 0)', 'if (false)', 'a time of 0 is taken'],
      [
        'Math.max(times.takeOverMs, grantMs * FOREIGN_MARGIN)',
        'times.takeOverMs',
        'a holder with a longer grant is condemned within it',
      ],
      ['times.pollMs * PATIENT_FACTOR', 'times.pollMs', 'a long wait costs as much as a short one'],
    ],
  ),
  ...fearedIn(
    'src/lease/identity.ts',
    [
      'lease/protocol.test.ts',
      'lease/files.test.ts',
      'lease/identity-durability.test.ts',
      'lease/restart.test.ts',
    ],
    [
      [
        'await writeDurably(aside, ',
        'void (await import("node:fs")).writeFileSync(aside, ',
        'the identity is not synced before it gets its name',
      ],
      [
        'await renameDurably(aside, path);',
        '(await import("node:fs")).renameSync(aside, path);',
        'the name of the identity is not durable',
      ],
      [
        'const saved = this.#saved.catch(() => {}).then(() => this.#store.save(next));',
        'const saved = this.#store.save(next);',
        'two changes of the identity overtake each other',
      ],
      ['    this.#now = next;\n', '', 'a change of the identity does not count'],
      ['[identity.id, ...identity.former]', '[...identity.former]', 'a new id forgets the one before it'],
      ['releasing: identity.releasing }', 'releasing: [] }', 'a new id forgets the releases under way'],
    ],
  ),
  ...fearedIn(
    'src/lease/ownership.ts',
    ['lease/leases.test.ts'],
    [
      [
        "if (epoch > COUNT_MAX) throw corruptField(ownerName(session), 'epoch');",
        '',
        'an epoch is written that no mount can read again',
      ],
    ],
  ),
  ...fearedIn(
    'src/lease/records/inbox.ts',
    ['lease/leases.test.ts'],
    [
      [
        "field.count('permission', PERMISSION_MAX_MS)",
        "field.count('permission')",
        'a bad inbox shuts a session out for thousands of years',
      ],
    ],
  ),
];
