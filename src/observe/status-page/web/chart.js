/** A card with a number and a line of the last ten minutes, drawn as SVG. */

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 64;
export const SPAN_MS = 600_000;
/** Between two points that are further apart nothing is known. */
const GAP_MS = 15_000;

/** `lines`: one for each value of a point; `format` writes a value, `unit` stands behind it. */
export class Chart {
  constructor(parent, { title, unit, spokenUnit = unit, lines = ['line'], legend, format = String }) {
    this.format = format;
    this.title = title;
    this.spokenUnit = spokenUnit;
    this.element = parent.appendChild(element('div', { class: 'chart' }));
    const heading = this.element.appendChild(element('h3', {}, title));
    if (legend !== undefined) heading.append(element('span', { class: 'legend' }, legend));
    this.value = this.element.appendChild(element('p', { class: 'value' }));
    this.number = this.value.appendChild(document.createTextNode('–'));
    this.value.append(element('small', {}, unit));
    this.svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
    this.svg.append(shape('line', { class: 'base', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }));
    this.area = this.svg.appendChild(shape('path', { class: 'area' }));
    this.lines = lines.map((name) => this.svg.appendChild(shape('path', { class: name })));
    this.element.append(this.svg);
    const scale = this.element.appendChild(element('p', { class: 'scale', 'aria-hidden': 'true' }));
    scale.append(element('span', {}, '10 min ago'));
    this.top = scale.appendChild(element('span'));
    scale.append(element('span', {}, 'now'));
    this.draw([], Date.now());
  }

  /** `points`: [time in ms, value, value…], the earliest first. */
  draw(points, nowMs) {
    const values = points.map(([, ...each]) => each);
    const peak = Math.max(0, ...values.flat());
    const top = peak > 0 ? peak * 1.12 : 1;
    const x = (ms) => round(WIDTH * (1 - (nowMs - ms) / SPAN_MS));
    const y = (value) => round(HEIGHT * (1 - value / top));
    this.lines.forEach((line, index) => {
      // What happens rarely is drawn where it happens.
      const drawn = index === 0 ? points : points.filter((point) => point[index + 1] > 0);
      line.setAttribute(
        'd',
        pathOf(drawn, (point) => `${x(point[0])} ${y(point[index + 1])}`),
      );
    });
    this.area.setAttribute(
      'd',
      areaOf(points, x, (point) => y(point[1])),
    );
    const last = values.at(-1)?.[0];
    set(this.number, last === undefined ? '–' : this.format(last));
    set(
      this.top.firstChild ?? this.top.appendChild(document.createTextNode('')),
      peak > 0 ? `peak ${this.format(peak)}` : '',
    );
    const spoken =
      last === undefined
        ? 'nothing yet'
        : `${this.format(last)} ${this.spokenUnit}, at most ${this.format(peak)}`;
    this.svg.setAttribute('aria-label', `${this.title}, last ten minutes: ${spoken}`);
  }
}

function pathOf(points, place) {
  return points.map((point, at) => `${isGap(points, at) ? 'M' : 'L'}${place(point)}`).join('');
}

function areaOf(points, x, y) {
  let path = '';
  points.forEach((point, at) => {
    const starts = isGap(points, at);
    path += starts ? `M${x(point[0])} ${HEIGHT}L${x(point[0])} ${y(point)}` : `L${x(point[0])} ${y(point)}`;
    if (at + 1 === points.length || isGap(points, at + 1)) path += `L${x(point[0])} ${HEIGHT}Z`;
  });
  return path;
}

function isGap(points, at) {
  return at === 0 || points[at][0] - points[at - 1][0] > GAP_MS;
}

function round(number) {
  return Math.round(number * 10) / 10;
}

/** Only what changes is touched: what is drawn already is not drawn again. */
export function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function element(name, attributes = {}, text = undefined) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  return made;
}
