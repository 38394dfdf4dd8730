import { fearedIn } from '../mutation.ts';

const SUPERVISOR = ['mounted/replaced.test.ts'];

export const supervisorMutations = [
  ...fearedIn('src/supervisor/supervisor.ts', SUPERVISOR, [
    [
      'this.#handingOver && exit.code === 0',
      'this.#handingOver',
      'a daemon that dies while it hands over is not counted, nor told',
    ],
    [
      "    if (this.#stopReason !== undefined)\n      this.#child.ready.then(() => this.#child.kill('SIGTERM')).catch(() => {});\n",
      '',
      'a stop while the daemon is being replaced is forgotten',
    ],
    [
      'if (isMounted) await unmountLazily(this.mountPoint).catch(() => {});',
      '',
      'a first daemon that refuses leaves a mount that no daemon serves',
    ],
    ['    this.#handingOver = false;\n', '', 'a second reload is ignored'],
  ]),
  ...fearedIn(
    'src/supervisor/restart-policy.ts',
    ['supervisor/restart-policy.test.ts'],
    [
      [
        'if (this.#refusals >= REFUSALS_MAX) return undefined;',
        '',
        'a daemon that cannot serve is started for ever',
      ],
      ['    this.#refusals = 0;\n', '', 'refusals of long ago end the mount'],
      ['Math.min(DELAY_MAX_MS, ', 'Math.max(DELAY_MAX_MS, ', 'callers wait for hours'],
      ['if (how.refused) this.#refusals++;', 'this.#refusals++;', 'daemons that are killed end the mount'],
    ],
  ),
  ...fearedIn(
    'src/supervisor/daemon-child.ts',
    ['supervisor/daemon-child.test.ts'],
    [
      [
        'if (child.pid === undefined) this.#notStarted(error);',
        '',
        'a daemon that could not be started is waited for, for ever',
      ],
      [
        '      this.#notStarted(error as Error);\n',
        '',
        'a system that refuses a process ends the supervisor',
      ],
    ],
  ),
];
