/**
 * The status page: listens to /events and shows what they say. Every text is set as text, never as markup: names of sessions and
 * messages come from others. Only the numbers of the charts are kept, and only as long as the tab lives.
 */
import { Chart, element, SPAN_MS, set } from './chart.js';

const ROWS_A_PAGE = 25;
const SILENT_MS = 12_000;
const RETRY_MS = 5_000;
/** A screen reader is not told more often. */
const ANNOUNCE_MS = 10_000;
const HISTORY_KEY = 'sessionfs-history';
const STATES = {
  local: 'Local',
  remote: 'In bucket',
  waiting: 'Held elsewhere',
  restoring: 'Restoring',
  conflict: 'Conflict',
};
const ERRORS = {
  permission: 'Permission refused',
  throttled: 'Too many requests',
  unreachable: 'No answer',
  corrupt: 'Damaged content',
  rejected: 'Request rejected',
};

/** user9 before user10. */
const collator = new Intl.Collator('en', { numeric: true });

const byId = (id) => document.getElementById(id);
const sessions = new Map();
const rowElements = new Map();
const view = { sort: undefined, descending: false, page: 0 };
let head;
/** The report that the last point of the charts was made of. */
let counted;
let omitted = 0;
let charts;
let history = loadHistory();
let source;
let heardMs = 0;

// Connection

function connect() {
  source?.close();
  const names = byId('whole').checked ? '?names=full' : '';
  source = new EventSource(`/events${names}`);
  source.addEventListener('hello', ({ data }) => {
    byId('sign-out').hidden = !JSON.parse(data).canSignOut;
  });
  source.addEventListener('status', ({ data }) => take(JSON.parse(data)));
  source.addEventListener('error', () => {
    live('lost', 'Not connected');
    if (source.readyState === EventSource.CLOSED) void refused();
  });
}

/** A browser tries again by itself when a connection is lost, but not when it is refused. */
async function refused() {
  const { status } = await fetch('/events', { method: 'HEAD' }).catch(() => ({ status: 0 }));
  if (status === 401) location.reload();
  live('lost', status === 503 ? 'Too many pages are open' : 'Not connected');
  setTimeout(connect, RETRY_MS);
}

function live(state, text) {
  const element = byId('live');
  if (element.dataset.state !== state) {
    if (state !== 'connecting' && element.dataset.state !== 'connecting')
      announce(state === 'live' ? 'Connected again.' : 'The connection to sessionfs is lost.');
    element.dataset.state = state;
  }
  set(byId('live-text'), text);
}

setInterval(() => {
  if (heardMs > 0 && performance.now() - heardMs > SILENT_MS) live('lost', 'No news');
}, 1_000);

let announcedMs = Number.NEGATIVE_INFINITY;
let announcing;
function announce(text) {
  clearTimeout(announcing);
  const say = () => {
    announcedMs = performance.now();
    set(byId('announcement'), text);
  };
  announcing = setTimeout(say, Math.max(0, announcedMs + ANNOUNCE_MS - performance.now()));
}

// What comes

function take(report) {
  heardMs = performance.now();
  const before = head;
  head = report;
  if (report.sessions !== undefined) {
    const { rows, gone = [], whole } = report.sessions;
    if (whole) sessions.clear();
    for (const id of gone) sessions.delete(id);
    for (const row of rows) sessions.set(row.id, row);
    omitted = report.sessions.omitted;
  }
  live('live', `Live · ${new Date(report.now).toLocaleTimeString()}`);
  showHead();
  showNotices(before);
  remember();
  showCharts();
  showNumbers();
  showSessions();
  showLists();
}

function showHead() {
  const { mount } = head;
  const { mountPoint, mode, driver, version, bucket, startedAt } = mount;
  set(byId('mount'), mountPoint);
  document.title = `${troubleCount() > 0 ? `(${troubleCount()}) ` : ''}sessionfs · ${mountPoint}`;
  const facts = [`${mode} mode`, ...(bucket ? [bucket] : []), `driver ${driver}`, `v${version}`];
  list(byId('facts'), [...facts, `up ${age(startedAt)}`], (item) => [item]);
}

function troubleCount() {
  const { counts, readiness } = head;
  return (counts?.troubled ?? 0) + (readiness.ready && !readiness.warning ? 0 : 1);
}

function showNotices(before) {
  const { readiness, totals, counts } = head;
  const notices = [];
  const add = (kind, title, text) =>
    notices.push({ kind, title, text: text.charAt(0).toUpperCase() + text.slice(1) });
  if (!readiness.ready) add('error', 'Applications are not served', readiness.reason ?? '');
  if (readiness.warning) add('warning', 'The bucket has a problem', readiness.warning);
  if (counts?.states.conflict > 0)
    add(
      'error',
      `${plural(counts.states.conflict, 'session is', 'sessions are')} in conflict`,
      'Another mount has taken over. Stop the application here, then the mount.',
    );
  if (totals.freshRegistrations > 0)
    add(
      'error',
      `An application started over ${times(totals.freshRegistrations)}`,
      'It replaced registered credentials. The version before is kept: sessionfs restore --list shows it.',
    );
  if (totals.credentialsRemoved > 0)
    add(
      'warning',
      `Registered credentials were removed ${times(totals.credentialsRemoved)}`,
      'If that was no logout, sessionfs restore brings them back.',
    );
  if (totals.sharedSessions > 0)
    add(
      'warning',
      'Two processes wrote one session in turns',
      'One of them must be stopped: sessionfs status names both.',
    );
  const text = JSON.stringify(notices);
  const parent = byId('notices');
  if (parent.dataset.shown === text) return;
  parent.dataset.shown = text;
  parent.replaceChildren(
    ...notices.map(({ kind, title, text }) => {
      const notice = element('p', { class: 'notice', 'data-kind': kind });
      notice.append(element('strong', {}, title), text);
      return notice;
    }),
  );
  if (before !== undefined)
    announce(notices.length === 0 ? 'No problems any more.' : notices.map(({ title }) => title).join('. '));
}

// Charts

const RATE_MIN_MS = 1_000;

/** A point: time, then dirty files, calls, uploads a minute, requests and failed requests a second; null: not known. */
function remember() {
  const { now, totals, mount } = head;
  const isSame = counted?.mount.startedAt === mount.startedAt;
  // A page that opens gets a report at once, and so does every other one: over so short a time a rate says nothing.
  if (isSame && now >= counted.now && now - counted.now < RATE_MIN_MS) return;
  const before = counted;
  counted = head;
  const dirty = head.counts?.dirty ?? head.files?.dirty ?? 0;
  const seconds = isSame ? (now - before.now) / 1_000 : 0;
  const rate = (read) => (seconds <= 0 ? null : Math.max(0, read(totals) - read(before.totals)) / seconds);
  const errors = (of) => Object.values(of.requestErrors).reduce((sum, count) => sum + count, 0);
  const uploads = rate(({ backupFiles }) => backupFiles);
  history.push([
    ...[now, dirty, rate(({ calls }) => calls), uploads === null ? null : uploads * 60],
    ...[rate(({ requests }) => requests), rate(errors)],
  ]);
  history = history.filter(([ms]) => now - ms < SPAN_MS);
  try {
    sessionStorage.setItem(HISTORY_KEY, JSON.stringify(history));
  } catch {
    // The charts begin anew when the page is loaded again.
  }
}

function loadHistory() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(HISTORY_KEY) ?? '[]');
    return Array.isArray(kept)
      ? kept.filter((point) => Array.isArray(point) && point.every(isNumberOrNull))
      : [];
  } catch {
    return [];
  }
}

function isNumberOrNull(value) {
  return value === null || Number.isFinite(value);
}

function showCharts() {
  charts ??= makeCharts();
  const points = (...columns) =>
    history
      .filter((point) => point[columns[0]] !== null)
      .map((point) => [point[0], ...columns.map((column) => point[column])]);
  charts.dirty.draw(points(1), head.now);
  charts.calls.draw(points(2), head.now);
  charts.uploads?.draw(points(3), head.now);
  charts.requests?.draw(points(4, 5), head.now);
}

function makeCharts() {
  const parent = byId('charts');
  const hasBucket = head.sessions !== undefined;
  const format = (value) => (value > 0 && value < 10 ? value.toFixed(1) : compact(value));
  const dirty = new Chart(parent, {
    title: hasBucket ? 'Not backed up' : 'Not in the cache yet',
    unit: 'files',
    format: compact,
  });
  const uploads =
    hasBucket && new Chart(parent, { title: 'Uploads', unit: '/min', spokenUnit: 'files a minute', format });
  const requests =
    hasBucket &&
    new Chart(parent, {
      title: 'Bucket requests',
      unit: '/s',
      spokenUnit: 'a second',
      lines: ['line', 'line bad'],
      legend: 'failed',
      format,
    });
  const calls = new Chart(parent, {
    title: 'File calls',
    unit: '/s',
    spokenUnit: 'a second',
    format,
  });
  return { dirty, calls, uploads: uploads || undefined, requests: requests || undefined };
}

// Numbers

function showNumbers() {
  const { totals, counts, files, disk, mount } = head;
  const states = counts?.states;
  const known = states ? Object.values(states).reduce((sum, count) => sum + count, 0) : files?.sessions;
  const numbers = [
    [
      'Sessions',
      known === undefined ? '–' : compact(known),
      states ? `${compact(states.local ?? 0)} here, ${compact(states.remote ?? 0)} in the bucket` : '',
    ],
    ['Files', files ? compact(files.files) : '–', 'in the mount'],
  ];
  if (counts)
    numbers.push(
      ['Backups', compact(totals.backups), `${bytes(totals.backupBytes)}, ${failed(totals.backupFailures)}`],
      ['Restores', compact(totals.restores), failed(totals.restoreFailures)],
      ['Leases lost', compact(totals.leasesLost), 'to other mounts', totals.leasesLost > 0 && 'bad'],
    );
  numbers.push(
    ['Held back', files ? compact(files.heldBack) : '–', 'incomplete JSON', files?.heldBack > 0 && 'warn'],
    ['Restarts', compact(mount.restarts), 'of the daemon', mount.restarts > 0 && 'warn'],
    [
      'Disk left',
      bytes(disk?.freeBytes),
      disk?.cacheBytes === undefined
        ? ''
        : `cache ${bytes(disk.cacheBytes)}${disk.trash?.bytes > 0 ? `, trash ${bytes(disk.trash.bytes)}` : ''}`,
    ],
  );
  list(
    byId('numbers'),
    numbers,
    ([title, number, detail, kind]) => [title, number, detail, kind || ''],
    'div',
    (parts) => {
      const [title, number, detail, kind] = parts;
      const group = element('div', { 'data-kind': kind });
      const value = element('dd', {}, number);
      if (detail !== '') value.append(element('small', { class: 'under' }, detail));
      group.append(element('dt', {}, title), value);
      return group;
    },
  );
}

function failed(count) {
  return count === 0 ? 'none failed' : `${compact(count)} failed`;
}

// Sessions

function showSessions() {
  const hasBucket = head.sessions !== undefined;
  byId('filters').hidden = !hasBucket;
  byId('bucket-card').hidden = !hasBucket;
  const shown = hasBucket ? sorted([...sessions.values()].filter(isWanted)) : [];
  const pages = Math.max(1, Math.ceil(shown.length / ROWS_A_PAGE));
  view.page = Math.min(view.page, pages - 1);
  const from = view.page * ROWS_A_PAGE;
  const rows = shown.slice(from, from + ROWS_A_PAGE);
  const total = sessions.size + omitted;
  const isFiltered = shown.length !== sessions.size;
  set(byId('shown'), hasBucket ? `${isFiltered ? `${compact(shown.length)} of ` : ''}${compact(total)}` : '');
  const empty = byId('empty');
  byId('table').hidden = rows.length === 0;
  empty.hidden = rows.length > 0;
  if (!hasBucket)
    set(
      empty,
      'This mount backs nothing up, so it knows nothing of single sessions: sessionfs ls lists them.',
    );
  else set(empty, sessions.size === 0 ? 'There are no sessions yet.' : 'No session fits the filter.');
  showRows(rows);
  byId('pages').hidden = pages === 1;
  set(byId('page'), `${compact(from + 1)}–${compact(from + rows.length)} of ${compact(shown.length)}`);
  byId('previous').disabled = view.page === 0;
  byId('next').disabled = view.page === pages - 1;
}

function isWanted(row) {
  const name = byId('filter').value.trim().toLowerCase();
  if (name !== '' && !row.name.toLowerCase().includes(name)) return false;
  switch (byId('which').value) {
    case 'trouble':
      return isTroubled(row);
    case 'dirty':
      return row.dirty > 0;
    case 'waiting':
      return row.state === 'waiting' || row.state === 'restoring';
    case 'local':
      return row.state === 'local';
    case 'remote':
      return row.state === 'remote';
    default:
      return true;
  }
}

function isTroubled({ state, error }) {
  return state === 'conflict' || error !== undefined;
}

/** Without a choice: those in trouble first, then those that are waited for, then by name. */
function sorted(rows) {
  const { sort, descending } = view;
  const weight = (row) =>
    isTroubled(row) ? 0 : row.state === 'waiting' || row.state === 'restoring' ? 1 : 2;
  const byName = (a, b) => collator.compare(a.name, b.name) || a.id - b.id;
  const compare = {
    name: byName,
    state: (a, b) => (STATES[a.state] ?? a.state).localeCompare(STATES[b.state] ?? b.state),
    files: (a, b) => a.files - b.files,
    dirty: (a, b) => a.dirty - b.dirty,
    backedUp: (a, b) => (a.backedUp ?? 0) - (b.backedUp ?? 0),
  }[sort];
  if (compare === undefined) return rows.sort((a, b) => weight(a) - weight(b) || byName(a, b));
  return rows.sort((a, b) => (descending ? compare(b, a) : compare(a, b)) || byName(a, b));
}

/** Rows that stay are the same elements: focus, selection and a reader's place stay too. */
function showRows(rows) {
  const body = byId('rows');
  const wanted = new Set(rows.map(({ id }) => id));
  for (const [id, made] of rowElements) {
    if (wanted.has(id)) continue;
    made.row.remove();
    rowElements.delete(id);
  }
  let before = null;
  for (const row of rows.toReversed()) {
    let made = rowElements.get(row.id);
    if (made === undefined) {
      made = makeRow();
      rowElements.set(row.id, made);
    }
    fillRow(made, row);
    if (made.row.nextSibling !== before || made.row.parentNode !== body) body.insertBefore(made.row, before);
    before = made.row;
  }
}

function makeRow() {
  const row = element('tr');
  const name = element('th', { scope: 'row' });
  const cells = {
    name: name.appendChild(element('span')),
    wait: name.appendChild(element('span', { class: 'detail' })),
    error: name.appendChild(element('span', { class: 'detail bad' })),
    hint: name.appendChild(element('span', { class: 'detail' })),
  };
  row.append(name);
  cells.state = row.appendChild(element('td')).appendChild(element('span', { class: 'state' }));
  cells.files = row.appendChild(element('td', { class: 'number wide' }));
  cells.dirty = row.appendChild(element('td', { class: 'number' }));
  cells.backedUp = row.appendChild(element('td', { class: 'number' }));
  cells.lease = row.appendChild(element('td', { class: 'wide' }));
  return { row, cells };
}

function fillRow({ cells }, row) {
  set(cells.name, row.name === '' ? '(files outside of sessions)' : row.name);
  detail(cells.wait, row.holder && `held by ${row.holder}, waited for ${age(row.waitsSince)}`);
  const what = row.waits === 'calls' ? 'calls wait' : 'no backup';
  detail(
    cells.error,
    row.error &&
      (row.errorSince === undefined ? row.error : `${what} for ${age(row.errorSince)}: ${row.error}`),
  );
  detail(cells.hint, row.hint);
  set(cells.state, STATES[row.state] ?? row.state);
  if (cells.state.dataset.kind !== row.state) cells.state.dataset.kind = row.state;
  set(cells.files, compact(row.files));
  set(cells.dirty, row.dirty === 0 ? '0' : compact(row.dirty));
  cells.dirty.classList.toggle('none', row.dirty === 0);
  set(cells.backedUp, row.backedUp === undefined ? '–' : `${age(row.backedUp)} ago`);
  set(cells.lease, row.epoch === undefined ? (row.holder ?? '–') : 'this mount');
  cells.lease.classList.toggle('none', row.epoch === undefined && row.holder === undefined);
}

function detail(cell, text) {
  cell.hidden = !text;
  set(cell, text ?? '');
}

// Lists

function showLists() {
  const { files, totals } = head;
  const held = files?.longestHeldBack ?? [];
  set(byId('held-count'), files?.heldBack ? String(files.heldBack) : '');
  byId('held-empty').hidden = held.length > 0;
  list(byId('held'), held, ({ file, since }) => [file, `for ${age(since)}`]);
  const errors = Object.entries(totals.requestErrors).filter(([, count]) => count > 0);
  const total = errors.reduce((sum, [, count]) => sum + count, 0);
  set(byId('errors-count'), total > 0 ? `${compact(total)} of ${compact(totals.requests)} requests` : '');
  byId('errors-empty').hidden = errors.length > 0;
  list(byId('errors'), errors, ([kind, count]) => [ERRORS[kind] ?? kind, compact(count)]);
}

/** Makes the children anew only when they say something else. */
function list(parent, items, partsOf, name = 'li', make = undefined) {
  const parts = items.map(partsOf);
  const text = JSON.stringify(parts);
  if (parent.dataset.shown === text) return;
  parent.dataset.shown = text;
  const plain = (each) => {
    const item = element(name);
    item.append(...each.map((part) => element('span', {}, part)));
    return item;
  };
  parent.replaceChildren(...parts.map(make ?? plain));
}

// Words

function age(sinceMs) {
  const seconds = Math.max(0, Math.round((head.now - sinceMs) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

function compact(number) {
  if (number < 10_000) return Math.round(number).toLocaleString('en');
  return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(number);
}

function bytes(number) {
  if (number === undefined || number === null) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let rest = number;
  for (; rest >= 1_000 && unit < units.length - 1; unit++) rest /= 1_000;
  return `${rest < 10 && unit > 0 ? rest.toFixed(1) : Math.round(rest)} ${units[unit]}`;
}

function plural(count, one, many) {
  return `${compact(count)} ${count === 1 ? one : many}`;
}

function times(count) {
  return count === 1 ? 'once' : `${compact(count)} times`;
}

// Controls

function turn(pages) {
  view.page += pages;
  showSessions();
}

function show() {
  view.page = 0;
  if (head !== undefined) showSessions();
}

/** Up, down, and as it was. */
function sortBy(heading) {
  const { sort } = heading.dataset;
  if (view.sort !== sort) Object.assign(view, { sort, descending: false });
  else if (!view.descending) view.descending = true;
  else Object.assign(view, { sort: undefined, descending: false });
  for (const each of document.querySelectorAll('[data-sort]')) each.removeAttribute('aria-sort');
  if (view.sort !== undefined)
    heading.setAttribute('aria-sort', view.descending ? 'descending' : 'ascending');
  show();
}

byId('whole').checked = false;
byId('whole').addEventListener('change', connect);
byId('filter').addEventListener('input', show);
byId('which').addEventListener('change', show);
byId('previous').addEventListener('click', () => turn(-1));
byId('next').addEventListener('click', () => turn(1));
for (const heading of document.querySelectorAll('[data-sort]'))
  heading.querySelector('button').addEventListener('click', () => sortBy(heading));
connect();
