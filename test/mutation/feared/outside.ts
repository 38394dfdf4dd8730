/** What comes from outside: settings, HTTP requests, names. */
import { fearedIn } from '../mutation.ts';

const CONFIG = ['config/parsers.test.ts', 'config/load.test.ts'];
const HTTP = ['observe/http.test.ts', 'observe/http-hostile.test.ts'];
const STATUS_PAGE = ['observe/status-page/access.test.ts', 'observe/status-page/events.test.ts'];
const NAMES = ['naming/object-name.test.ts', 'naming/hostile-names.test.ts'];

export const outsideMutations = [
  ...fearedIn('src/config/parsers.ts', CONFIG, [
    ['if (!(value >= min && value <= max))', 'if (!(value >= min))', 'a number beyond its limit is taken'],
    ['/^\\d{1,16}$/.test(text)', "text !== ''", 'text is read as a number'],
    ["text === '' || text.includes('\\0')", "text === ''", 'a path with NUL is taken'],
    ['mayBeKey(text.trim())', 'false', 'a key in the place of its file is shown in messages'],
    ['Number(uid) > ID_MAX || Number(gid) > ID_MAX', 'false', 'files get an owner that no one is'],
    ['GCS_NAME.test(name) ? undefined', 'true ? undefined', 'a bucket that cannot be is asked for'],
    ['Number(port) > 65535', 'false', 'a port that cannot be is taken'],
    ["&& url.username === ''", '', 'a password in a URL is taken'],
  ]),
  ...fearedIn('src/config/load.ts', CONFIG, [
    [
      "if (storageType === 'local' || bucket !== undefined) return;",
      'return;',
      'hybrid mode without a bucket runs as if it stored anything',
    ],
    ['  requireOneKey(env, flags);\n', '', 'which of two keys seals is chance'],
    [
      "cacheInMemory: values.storageType === 'cloud'",
      'cacheInMemory: false',
      'cloud mode writes to the disk',
    ],
    ['env[setting.variable] || setting.default', 'setting.default', 'a setting is ignored'],
  ]),
  ...fearedIn('src/observe/http.ts', HTTP, [
    ['if (open.has(socket)) idle.add(socket);', '', 'clients that take no answer keep probes out'],
    ['maxHeaderSize: HEADER_BYTES_MAX,', '', 'a header of any length is taken'],
    ["    'Cache-Control': 'no-store',\n", '', 'an old answer of a probe is taken for the present one'],
    ["Connection: 'close',", '', 'a kept connection delays the end of the daemon'],
    [
      'listening.reject(unavailable(address, error))',
      'listening.resolve()',
      'a port that is taken is success',
    ],
    ['  evictIdle(server);\n', '', 'connections take all descriptors'],
    ['const [oldest = socket] = idle;', 'const oldest = socket;', 'silent connections keep the probes out'],
    ['=> idle.delete(socket));', '=> socket.resume());', 'a scrape is cut off by newer connections'],
  ]),
  ...fearedIn(
    'src/observe/registry.ts',
    ['observe/metrics.test.ts'],
    [
      ['value <= upper', 'value < upper', 'what lies on a bound counts as slower'],
      [
        '    for (const labels of combinations(known)) this.of(labels);\n',
        '',
        'the first failure is no increase',
      ],
      ['this.#names.map((name) => labels[name])', 'this.#names', 'failures count as successes'],
    ],
  ),
  ...fearedIn('src/observe/status-page/access.ts', STATUS_PAGE, [
    ["if (!isLoopback) return 'closed';", '', 'other machines see the sessions without a token'],
    [
      "isOwnName(request.headers.host) ? 'allowed' : 'foreign'",
      "'allowed'",
      'a web site reads the page through a name that it points at 127.0.0.1',
    ],
    ["address === '::1' : ipv4.startsWith('127.')", 'true : true', 'every address is taken for this machine'],
    ['isSame(given, this.#token)', 'isSame(given, given)', 'any token opens the page'],
    [
      'HttpOnly; SameSite=Strict; Path=/`;\n  }\n\n  signedOut',
      'Path=/`;\n  }\n\n  signedOut',
      'scripts and other sites use the cookie',
    ],
  ]),
  ...fearedIn('src/observe/status-page/status-page.ts', STATUS_PAGE, [
    ["if (access === 'sign-in') return send(", 'if (false) return send(', 'data and events need no token'],
    ['if (this.#feed.size >= LISTENERS_MAX) {', 'if (false) {', 'browsers take all connections'],
    ["default-src 'none'; ", '', 'a page may load what it likes'],
  ]),
  ...fearedIn('src/observe/status-page/view.ts', STATUS_PAGE, [
    [
      "return this.#names === 'full' ? text : shortenNames(text);",
      'return text;',
      'phone numbers are on every screen',
    ],
    ['before.get(row.id)?.text !== text', 'true', 'every session is sent every 2 s'],
  ]),
  ...fearedIn(
    'src/observe/status-page/feed.ts',
    ['observe/status-page/feed.test.ts'],
    [
      [
        'if (this.#listeners.size === 0) this.#rest();\n    else',
        'if (false) this.#rest();\n    else',
        'reports are made for no browser',
      ],
    ],
  ),
  ...fearedIn(
    'src/observe/human-line.ts',
    ['observe/human-line.test.ts'],
    [
      ['harmless(field)', 'field', 'a name gives the terminal orders'],
      ["harmless(String(msg ?? ''))", "String(msg ?? '')", 'a message gives the terminal orders'],
    ],
  ),
  ...fearedIn(
    'src/observe/log-output.ts',
    ['observe/log-output.test.ts'],
    [
      [' | constants.O_NOFOLLOW', '', 'root writes its log where another user wants it'],
      ['    this.#sink = sinkOf(fd);\n    // What', '    // What', 'the log goes on in the renamed file'],
    ],
  ),
  ...fearedIn(
    'src/cli/stop-signals.ts',
    ['cli/stop-signals.test.ts'],
    [["['SIGTERM', 'SIGINT'];", "['SIGTERM', 'SIGINT', 'SIGHUP'];", 'logrotate ends the mount']],
  ),
  ...fearedIn(
    'src/fs/state/journaled-files.ts',
    ['fs/incomplete.test.ts'],
    [
      ['!this.#parts.isInJournal(node) || ', '', 'files in the cache count as dirty for ever'],
      [' || !isInside(node, this.#parts.tree.root)', '', 'files that are gone count as dirty'],
    ],
  ),
  ...fearedIn('src/naming/component.ts', NAMES, [
    ["if (name === '.' || name === '..') return escapeAll(name);", '', 'a name leads out of the cache'],
    [
      "new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })",
      "new TextDecoder('utf-8', { ignoreBOM: true })",
      'a foreign name is taken for another one',
    ],
    ['ignoreBOM: true', 'ignoreBOM: false', 'a name that begins with U+FEFF loses it'],
  ]),
  ...fearedIn('src/naming/object-name.ts', NAMES, [
    [
      'return toObjectName(path, kind) === name ? { path, directoryMeta: false } : undefined;',
      'return { path, directoryMeta: false };',
      'two objects are one file',
    ],
    [
      'if (Buffer.byteLength(name) > OBJECT_NAME_BYTES_MAX) return false;',
      '',
      'a name is taken that no bucket can hold',
    ],
    [
      '(part) => Buffer.byteLength(part) <= COMPONENT_BYTES_MAX',
      '() => true',
      'a name is taken that no disk can hold',
    ],
    [
      "return user.endsWith('.json') ? undefined : { user, rest: name.slice(at + 1) };",
      'return { user, rest: name.slice(at + 1) };',
      'a file and a folder have one name',
    ],
    [
      "name.startsWith('+') ? escapeAll('+') + encodeComponent(name.slice(1)) : encodeComponent(name)",
      'encodeComponent(name)',
      'a folder is taken for a session',
    ],
  ]),
  ...fearedIn(
    'src/naming/session-path.ts',
    [...NAMES, 'naming/session-path.test.ts'],
    [
      [
        "return session.includes('/') ? undefined : session;",
        'return session;',
        "a creds.json in a subfolder counts as the session's",
      ],
      ["return kind === 'file' ? '' : path;", 'return path;', 'a file in the root counts as a session'],
      [
        "return identity.directoryMeta ? identity.path : '';",
        "return '';",
        'the attributes of a session belong to none',
      ],
      [
        'const isPlain = folder !== ROOT_FOLDER && ',
        'const isPlain = ',
        'a file in the root belongs to another one',
      ],
      [
        'if (isPlain && folder === latest?.folder)',
        'if (folder === latest?.folder)',
        'a foreign object belongs to the session before it',
      ],
    ],
  ),
];
