/** Line charts in SVG, on axes that count in powers of ten, with figures at the points. */

const width = 340;
const height = 230;
const left = 52;
const bottom = 34;
const top = 34;

/** One chart: `points` are `[x, y]`, all above zero; the dashed line is what straight growth from the last point would be. */
function chart({ title, xTitle, yTitle, points }, at) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [xLow, xHigh] = [Math.min(...xs), Math.max(...xs)];
  const yLow = 10 ** Math.floor(Math.log10(Math.min(...ys)));
  const yHigh = 10 ** Math.ceil(Math.log10(Math.max(...ys)) + 1e-9);
  const place = (value, low, high, from, to) =>
    from + ((to - from) * Math.log(value / low)) / Math.log(Math.max(high / low, 1.001));
  const x = (value) => place(value, xLow, xHigh, left + 14, width - 26).toFixed(1);
  const y = (value) => place(value, yLow, yHigh, height - bottom, top).toFixed(1);
  const [lastX, lastY] = points.at(-1);
  const straight = xs.map((each) => [each, (lastY * each) / lastX]).filter(([, each]) => each >= yLow);
  const line = (each) => each.map(([px, py]) => `${x(px)},${y(py)}`).join(' ');
  return [
    `<g transform="translate(${at % 2 === 0 ? 0 : width},${Math.floor(at / 2) * height})">`,
    `<text x="${left}" y="18" font-weight="bold">${title}</text>`,
    `<path d="M${left},${top} V${height - bottom} H${width - 12}" fill="none" stroke="#888"/>`,
    ...xs.map((each) => `<text x="${x(each)}" y="${height - bottom + 14}" text-anchor="middle">${short(each)}</text>`),
    `<text x="${width - 12}" y="${height - 6}" text-anchor="end">${xTitle}</text>`,
    `<text x="${left - 4}" y="${top + 4}" text-anchor="end">${short(yHigh)}</text>`,
    `<text x="${left - 4}" y="${height - bottom}" text-anchor="end">${short(yLow)}</text>`,
    `<text x="${left + 4}" y="${top + 2}">${yTitle}</text>`,
    `<polyline points="${line(straight)}" fill="none" stroke="#aaa" stroke-dasharray="4 3"/>`,
    `<polyline points="${line(points)}" fill="none" stroke="#06c" stroke-width="2"/>`,
    ...points.map(([px, py]) => `<circle cx="${x(px)}" cy="${y(py)}" r="3" fill="#06c"/>`),
    ...points.map(
      ([px, py]) => `<text x="${x(px)}" y="${(Number(y(py)) - 7).toFixed(1)}" text-anchor="middle">${short(py)}</text>`,
    ),
    '</g>',
  ].join('\n');
}

/** Several charts in one picture, two in a row. */
export function picture(charts) {
  const rows = Math.ceil(charts.length / 2);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * width} ${rows * height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...charts.map((each, at) => chart(each, at)),
    '</svg>',
    '',
  ].join('\n');
}

function short(value) {
  const [unit, name] = value >= 1e9 ? [1e9, 'G'] : value >= 1e6 ? [1e6, 'M'] : value >= 1e3 ? [1e3, 'k'] : [1, ''];
  return `${Number((value / unit).toPrecision(2))}${name}`;
}
